"""A smaller model from a larger one."""
