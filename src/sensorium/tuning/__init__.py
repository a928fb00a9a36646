"""Search for the encoders, the fusion and the options that answer a table's validation rows best."""
