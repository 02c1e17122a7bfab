"""What the benchmark of the screen is made of."""
