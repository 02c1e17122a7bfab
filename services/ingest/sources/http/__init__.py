"""Readings that came to the API by HTTP: a Unix socket, and what is in hand of it."""
