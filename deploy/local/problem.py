"""The one exception of the local stack."""

from __future__ import annotations


class StackError(RuntimeError):
    """The local stack cannot do what was asked; the text is one sentence that says what to do."""
