"""The shared kernel: imports nothing from the services."""
