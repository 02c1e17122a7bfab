"""Thresholds and alerts: series that are watched, history, outbox."""
