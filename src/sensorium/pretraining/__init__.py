"""Learning from rows without labels: inputs of one row are brought together, and hidden ones rebuilt."""
