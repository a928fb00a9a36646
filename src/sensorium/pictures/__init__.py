"""Plain data drawn, with nothing but Pillow and text."""
