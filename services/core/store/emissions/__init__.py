"""Emissions: minutes, hours with their versions, windows, and how each is changed."""
