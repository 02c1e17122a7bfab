"""Numbers as foreign payloads carry them: JSON numbers, or texts such as ``"18234.125"``.

A text that can be read in two ways is no number until the channel says which: ``0000001300`` and
``12E9`` may be hexadecimal, ``2,32`` has a comma of one kind or the other. Nor is one with a unit
behind it, until the channel says that it is one.
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
#: Groups of three digits with the same mark between them, and what is behind the decimal one.
_GROUPED: Final = (
    r"\s*[+-]?(?:\d{{1,3}}(?P<mark>[{marks} '\u2019\u00a0\u202f])\d{{3}}(?:(?P=mark)\d{{3}})*|\d+)"
    r"(?:{point}\d*)?\s*\Z"
)
_COMMA: Final = re.compile(_GROUPED.format(marks=".", point=","), re.ASCII)
_POINT: Final = re.compile(_GROUPED.format(marks=",", point=r"\."), re.ASCII)
#: What is between groups of digits, where the decimal mark is already the point.
_MARKS: Final = str.maketrans("", "", ", '\u2019\u00a0\u202f")
_WITH_UNIT: Final = re.compile(
    r"\s*(?P<number>[+-]?(?:\d[\d.,'\u2019 \u00a0\u202f]*)?[.,]?\d+[.,]?(?:[eE][+-]?\d+)?)\s*"
    r"(?P<unit>(?![eE][+-]?\d+\s*\Z)[^\d\s.,+-][^\n]{0,31}?)\s*\Z",
    re.ASCII,
)
#: Longer texts are no number with its unit.
_LONGEST_WITH_UNIT: Final = 100
_LONGEST_TEXT: Final = 400

#: What a payload holds -> the number that it is, infinite where it is too large; None: none.
Reader = Callable[[Any], float | None]


#: How devices and what stands before them write that a number is none.
_NOT_A_NUMBER: Final = re.compile(
    r"\s*[+-]?(?:nan|inf|infinity|1\.#(?:inf|qnan|snan|ind)0*)\s*\Z", re.ASCII | re.IGNORECASE
)


def says_no_value(text: str, no_value: frozenset[str]) -> bool:
    """Whether a text stands for no value: by ``no_value``, or as ``NaN`` and ``Infinity`` do."""
    return text.strip() in no_value or (
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
    """As :func:`number`; a comma is the decimal mark, points or spaces part thousands."""
    if not isinstance(value, str):
        return _of_number(value)
    if len(value) > _LONGEST_TEXT or not _COMMA.match(value):
        return None
    return float(value.replace(".", "").replace(",", ".").strip().translate(_MARKS))


def point(value: Any) -> float | None:
    """As :func:`number`; a point is the decimal mark, commas or spaces part thousands."""
    if not isinstance(value, str):
        return _of_number(value)
    if len(value) > _LONGEST_TEXT or not _POINT.match(value):
        return None
    return float(value.strip().translate(_MARKS))


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
    "point": point,
    "hex": hexadecimal,
}


def apart(text: str) -> tuple[str, str] | None:
    """Return a number and the unit behind it, each as text; None: it is something else."""
    match = _WITH_UNIT.match(text) if len(text) <= _LONGEST_WITH_UNIT else None
    return None if match is None else (match["number"], match["unit"])


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
    return _advice_on_marks(value) or _advice_on_words(value)


def _advice_on_marks(value: str) -> str:
    """Return what to do about a number with a decimal comma, or marks between thousands."""
    is_comma, is_point = bool(_COMMA.match(value)), bool(_POINT.match(value))
    if is_comma and "," in value:
        thousands = "; if it parts thousands, number: point" if is_point else ""
        return f": if the comma is the decimal point, say number: comma for the channel{thousands}"
    if is_comma or is_point:
        kind = "point" if is_point else "comma"
        return f": if it has marks between thousands, say number: {kind} for the channel"
    return ""


def _advice_on_words(value: str) -> str:
    """Return what to do about a number with a unit, or a word instead of one."""
    parts = apart(value)
    if parts is not None:
        return (
            f": {parts[1]!r} stands behind it; if that is its unit, say unit: {{suffix: true,"
            " default: ...} for the channel"
        )
    if not value.strip():
        return ': if that means that there is no value, say invalid: [""] for the channel'
    if not any(character.isdigit() for character in value):
        return ": if it means that there is no value, name it in invalid of the channel"
    return ""


def _of_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
