"""Brokers: the port that the pipeline receives from, and its two adapters."""
