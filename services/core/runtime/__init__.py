"""What every process needs to run: settings, logging, metrics, progress, clock, shutdown."""
