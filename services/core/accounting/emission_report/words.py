"""The words of a report: English sentences as keys, with their values in braces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en"]

#: Decimals of a number that has no places of its own.
_PLACES: Final = 6


@dataclass(frozen=True, slots=True)
class Words:
    """Writes sentences, values and numbers of a report."""

    language: Language = "en"

    def __call__(self, text: str, **values: str | float) -> str:
        """Return a sentence with its values."""
        return text.format(**values)

    def number(self, number: float, places: int | None) -> str:
        """Write a number; ``places``: its decimals, None: as many as it has, six at most."""
        written = f"{number:,.{_PLACES if places is None else places}f}"
        return written.rstrip("0").rstrip(".") if places is None else written
