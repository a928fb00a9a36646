"""Vectors of rows, and what is found with them: nearest rows, pairs of inputs, classes that are only described."""
