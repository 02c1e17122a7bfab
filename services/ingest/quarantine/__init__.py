"""What is refused: why, how much room there is for it, and the second try."""
