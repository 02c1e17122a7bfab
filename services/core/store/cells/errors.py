"""What keeps a facility from moving; each says what to do."""

from __future__ import annotations


class CellError(ValueError):
    """A cell or a move cannot be had as asked; the text says why and what to do."""


class UnequalError(RuntimeError):
    """Rows are not what they were proved to be; nothing was deleted."""
