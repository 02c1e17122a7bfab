"""What the registry refuses to write."""

from __future__ import annotations


class ApplyError(ValueError):
    """The file contradicts what the registry already holds; nothing was changed."""
