"""The classical generation: linear models on hand-made features."""
