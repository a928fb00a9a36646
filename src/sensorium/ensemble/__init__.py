"""Several networks that answer as one: which there are, how far each counts, and presets that make them."""
