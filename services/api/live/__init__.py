"""Live totals: read once for all who watch, sent as they change."""
