"""Say what went wrong in one line, for people."""

from __future__ import annotations


def sentence(error: Exception) -> str:
    """Return an error in one line."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
