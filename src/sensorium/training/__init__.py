"""The training loop: Lightning's, with what this project adds to it."""
