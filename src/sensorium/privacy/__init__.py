"""Learning with differential privacy: what a model tells of any one row is bounded."""
