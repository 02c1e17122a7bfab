"""The words of a report: English sentences as keys, with their values in braces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Decimals of a number that has no places of its own; of one below 1, significant figures.
_PLACES: Final = 6
#: What stands between thousands and before decimals, where it is not as in English.
_MARKS: Final = {"de": str.maketrans(",.", ".,")}


def marked(text: str) -> str:
    """Return a text as it is: it is a key of the catalogues."""
    return text


def _places(number: float) -> int:
    if number == 0 or abs(number) >= 1:
        return _PLACES
    return _PLACES - 1 - math.floor(math.log10(abs(number)))


@dataclass(frozen=True, slots=True)
class Words:
    """Writes sentences and numbers of a report in a language."""

    language: str = "en"
    translated: Callable[[str], str] = marked

    def __call__(self, text: str, **values: str | float) -> str:
        """Return a marked text in the language, with its values."""
        return self.translated(text).format(**values)

    def percent(self, share: float) -> str:
        """Write a share of 0 to 1 as a percentage; Chinese puts no space before its sign."""
        return f"{self.number(100 * share, 2)}{'%' if self.language == 'zh' else ' %'}"

    def number(self, number: float, places: int | None) -> str:
        """Write a number; ``places``: its decimals, None: as many as say what it is.

        A factor for each joule has its six figures behind a dozen zeros: it is not 0.
        """
        written = f"{number:,.{_places(number) if places is None else places}f}"
        if places is None:
            written = written.rstrip("0").rstrip(".")
        return written.translate(_MARKS.get(self.language, {}))
