"""Totals computed a second time: to verify them, or to see what would change."""
