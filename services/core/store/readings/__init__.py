"""Readings: written, read as series and charts, corrected, dropped, and what was refused."""
