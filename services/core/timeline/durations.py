"""Durations as people write them: one reader for facility files, the API and the command line."""

from __future__ import annotations

import math
import re
from typing import Final

#: What every refusal ends with.
HOW: Final = "write seconds or a text such as 90s, 15m, 1h30m, 1d, 1w or PT1H30M"

_SECONDS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    "ms": 0.001,
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}

_NUMBER: Final = r"[0-9]{1,40}(?:\.[0-9]{1,40})?"
_BARE: Final = re.compile(rf"{_NUMBER}(?:e[+-]?[0-9]{{1,3}})?")
_PIECE: Final = re.compile(rf"({_NUMBER})\s*({'|'.join(_SECONDS)})(?![a-z])\s*")
#: ISO 8601, section 5.5.2, without years and months: how long those are depends on which.
_ISO: Final = re.compile(
    rf"P(?:(?P<w>{_NUMBER})W)?(?:(?P<d>{_NUMBER})D)?"
    rf"(?:T(?:(?P<h>{_NUMBER})H)?(?:(?P<m>{_NUMBER})M)?(?:(?P<s>{_NUMBER})S)?)?"
)
#: A text that may stand in the refusal, shortened to this.
_SHOWN: Final = 40


def seconds(value: object) -> float:
    """Read a duration; how long it may be is the caller's matter.

    :raises ValueError: it is none, is negative or is not finite; the message says what to write.
    """
    shown = _shown(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{shown} is not a duration: {HOW}")  # noqa: TRY004 - what a person wrote
    text = str(value).strip()
    if text.startswith("-") and text != "-":
        raise ValueError(f"{shown} is negative, and a duration is not: {HOW}")
    parsed = _of_text(text)
    if parsed is None or not math.isfinite(parsed):
        raise ValueError(f"{shown} is not a duration: {HOW}")
    return parsed


def in_words(duration_s: float) -> str:
    """Tell a duration in the largest unit that it is a plain number of."""
    for unit in ("w", "d", "h", "m"):
        if duration_s >= _SECONDS[unit] and duration_s % _SECONDS[unit] == 0:
            return f"{duration_s / _SECONDS[unit]:.0f}{unit}"
    return f"{duration_s:.0f}s" if duration_s == round(duration_s) else f"{duration_s!r}s"


def _of_text(text: str) -> float | None:
    folded = text.lower()
    if _BARE.fullmatch(folded):
        return float(folded)
    if text.startswith("P"):
        match = _ISO.fullmatch(text)
        parts = {} if match is None else {u: n for u, n in match.groupdict().items() if n}
        return sum(float(n) * _SECONDS[u] for u, n in parts.items()) if parts else None
    # M is a month elsewhere, so a capital letter is not guessed at
    return _of_pieces(text)


def _of_pieces(text: str) -> float | None:
    total, place, smaller_than = 0.0, 0, math.inf
    while place < len(text):
        match = _PIECE.match(text, place)
        if match is None or _SECONDS[match[2]] >= smaller_than:
            return None
        smaller_than = _SECONDS[match[2]]
        total += float(match[1]) * smaller_than
        place = match.end()
    return total if text else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
