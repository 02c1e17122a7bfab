"""Thresholds and alerts: watched series, histories, outbox."""
