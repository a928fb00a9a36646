"""The classical generation: hand-made features, linear models and support vector machines on them."""
