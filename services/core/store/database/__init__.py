"""The connection: opened, notified, locked, and filled with arrays of numbers."""
