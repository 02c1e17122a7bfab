"""Edits of a facility file that leave the rest of its text as it is."""
