"""Scores with their intervals, and what a fused model must be compared with."""
