"""Thresholds: what they watch, how they are evaluated, alerts and their messages."""
