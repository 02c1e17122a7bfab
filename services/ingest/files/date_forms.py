"""Dates of a column of texts, all at once, where they are digits of the usual width.

What such a text means is strptime's matter: this reads the same, and says which it is sure of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import DAY_US, MINUTE_US
from services.ingest.files.rows import Bools, Integers

#: Directives of strptime that are digits alone, and how many they usually are.
_WIDTHS: Final = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}

_SECOND_US: Final = 1_000_000

_DAY: Final = frozenset("Ymd")
_LIMITS: Final = {
    "Y": (1, 9998),
    "m": (1, 12),
    "d": (1, 31),
    "H": (0, 23),
    "M": (0, 59),
    "S": (0, 59),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DateForm:
    """A form of strptime whose texts all have one width."""

    width: int
    #: where the digits of a directive begin
    places: dict[str, int]
    #: characters in between, by their place
    literals: dict[int, int]


def date_form(form: str) -> DateForm | None:
    """Understand a form of strptime; None: it has more than a day and a time in digits."""
    places: dict[str, int] = {}
    literals: dict[int, int] = {}
    width = 0
    for directive, literal in re.findall(r"%(.)|([^%])", form, re.DOTALL):
        if literal:
            # strptime takes any space for a space
            if not literal.isascii() or (literal.isspace() and literal != " "):
                return None
            literals[width] = ord(literal)
            width += 1
        elif directive in _WIDTHS and directive not in places:
            places[directive] = width
            width += _WIDTHS[directive]
        else:
            return None
    return DateForm(width=width, places=places, literals=literals) if set(places) >= _DAY else None


def read(texts: Sequence[str], form: DateForm) -> tuple[Integers, Bools] | None:
    """Return the microseconds since 1970-01-01T00:00 of texts, and which are just of that form.

    None: not all of them have its width.
    """
    joined = "".join(texts)
    size = len(texts)
    if len(joined) != size * form.width or not joined.isascii():
        return None
    if len(set(map(len, texts))) != 1:
        return None
    characters = np.frombuffer(joined.encode("ascii"), np.uint8).reshape(size, form.width)
    plain = np.ones(size, dtype=np.bool_)
    for place, character in form.literals.items():
        plain &= characters[:, place] == character
    parts: dict[str, NDArray[np.int64]] = {}
    for directive, begin in form.places.items():
        digits = characters[:, begin : begin + _WIDTHS[directive]].astype(np.int64) - ord("0")
        plain &= ((digits >= 0) & (digits <= 9)).all(axis=1)
        number = digits[:, 0]
        for k in range(1, _WIDTHS[directive]):
            number = number * 10 + digits[:, k]
        least, greatest = _LIMITS[directive]
        plain &= (number >= least) & (number <= greatest)
        parts[directive] = number
    month = (parts["Y"] - 1970) * 12 + parts["m"] - 1
    first = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days = first + parts["d"] - 1
    next_first = (month + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    plain &= days < next_first
    zero = np.zeros(size, dtype=np.int64)
    minutes = parts.get("H", zero) * 60 + parts.get("M", zero)
    return days * DAY_US + minutes * MINUTE_US + parts.get("S", zero) * _SECOND_US, plain
