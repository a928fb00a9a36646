"""What leaves a run: its folder, safe to open anywhere."""
