"""Numbers as foreign payloads carry them: JSON numbers, or texts such as ``"18234.125"``."""

from __future__ import annotations

import math
import re
from typing import Any, Final

#: What is left out on purpose: nan, inf, 1_000, 0x10 and decimal commas.
_TEXT: Final = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*\Z", re.ASCII)
_LONGEST_TEXT: Final = 400


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
