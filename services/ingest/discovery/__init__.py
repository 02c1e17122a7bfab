"""Hears devices that nobody registered, beside the way of all messages and never in it."""
