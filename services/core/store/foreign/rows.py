"""What another database gives: rows with the names of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class ForeignDatabaseError(ValueError):
    """Another database cannot be read; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignRows:
    """Some rows; each has a value for each name."""

    names: list[str]
    rows: list[list[Any]]
