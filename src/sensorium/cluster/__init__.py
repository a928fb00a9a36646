"""Many machines: training, tuning, prediction and serving on a Ray cluster."""
