"""Encoders that others have trained: where they come from, what they read, and their weights."""
