"""Numbers as foreign payloads carry them: JSON numbers, or texts such as ``"18234.125"``."""

from __future__ import annotations

import math
import re
from typing import Any, Final

#: What is left out on purpose: nan, inf, 1_000, 0x10 and decimal commas.
_TEXT: Final = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*\Z", re.ASCII)
_LONGEST_TEXT: Final = 400


#: How devices and what stands before them write that a number is none.
_NOT_A_NUMBER: Final = re.compile(
    r"\s*[+-]?(?:nan|inf|infinity|1\.#(?:inf|qnan|snan|ind)0*)\s*\Z", re.ASCII | re.IGNORECASE
)


def says_no_value(text: str, no_value: frozenset[str]) -> bool:
    """Whether a text stands for no value: by ``no_value``, or as ``NaN`` and ``Infinity`` do."""
    return text in no_value or (
        len(text) <= _LONGEST_TEXT and _NOT_A_NUMBER.match(text) is not None
    )


def number(value: Any) -> float | None:
    """The number that a number or a text is, infinite where it is too large; None: it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT and _TEXT.match(value):
        return float(value)
    return None
