"""Kinds of models and inputs side by side on one table; stands above all that fits and scores."""
