"""Numbers as foreign payloads carry them: JSON numbers, or texts such as ``"18234.125"``.

A text that can be read in two ways is no number until the channel says which: ``0000001300`` and
``12E9`` may be hexadecimal, ``2,32`` has a comma of one kind or the other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

#: What is left out on purpose: nan, inf, 1_000, 0x10 and decimal commas.
_TEXT: Final = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*\Z", re.ASCII)
_HEX: Final = re.compile(r"\s*(?:0[xX])?[0-9a-fA-F]{1,16}\s*\Z")
#: Digits alone that begin with a zero, and mean another number in base 16; or with an E among them.
_TWO_WAYS: Final = re.compile(r"\s*(?:0+[1-9]\d+|\d+[eE]\d+)\s*\Z", re.ASCII)
_COMMA: Final = re.compile(r"\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?\s*\Z", re.ASCII)
_WITH_UNIT: Final = re.compile(r"\s*[+-]?[\d.,]*\d[.,]?\s*([^\d\s.,+-]\S{0,15})\s*\Z")
_LONGEST_TEXT: Final = 400

#: What a payload holds -> the number that it is, infinite where it is too large; None: none.
Reader = Callable[[Any], float | None]


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
    """Return the number that a number or a text is, if it can be read in one way only."""
    if isinstance(value, str):
        return None if _TWO_WAYS.match(value[:_LONGEST_TEXT]) else decimal(value)
    return _of_number(value)


def decimal(value: Any) -> float | None:
    """As :func:`number`; digits are decimal and an E is an exponent."""
    if not isinstance(value, str):
        return _of_number(value)
    return float(value) if len(value) <= _LONGEST_TEXT and _TEXT.match(value) else None


def comma(value: Any) -> float | None:
    """As :func:`number`; a comma in a text is the decimal point, and points part thousands."""
    if not isinstance(value, str):
        return _of_number(value)
    if len(value) > _LONGEST_TEXT or not _COMMA.match(value):
        return None
    return float(value.replace(".", "").replace(",", "."))


def hexadecimal(value: Any) -> float | None:
    """Return the number that a text of hexadecimal digits is; a JSON number is none."""
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT and _HEX.match(value):
        return float(int(value, 16))
    return None


#: By what ``number`` says in the facility file.
READERS: Final[Mapping[str | None, Reader]] = {
    None: number,
    "decimal": decimal,
    "comma": comma,
    "hex": hexadecimal,
}


def plain(text: str) -> bool:
    """Whether a text is a number in some way of reading it."""
    return len(text) <= _LONGEST_TEXT and _TEXT.match(text) is not None


def advice(value: Any) -> str:
    """Return what to do about a text that is no number, where that can be told; else nothing."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return ""
    if _TWO_WAYS.match(value):
        return ": it may be hexadecimal; say number: decimal or number: hex for the channel"
    if _HEX.match(value) and len(value.strip()) > 1:
        return ": it looks hexadecimal; if it is, say number: hex for the channel"
    if "," in value and _COMMA.match(value):
        return ": if the comma is the decimal point, say number: comma for the channel"
    match = _WITH_UNIT.match(value)
    if match is not None:
        return (
            f": {match[1]!r} stands behind it; let the device send the number alone, and its unit"
            " where unit: {from: ...} finds it"
        )
    return ""


def _of_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
