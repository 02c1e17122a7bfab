"""What thresholds watch, minute by minute, read for all of them at once."""
