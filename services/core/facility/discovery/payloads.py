"""A payload that nobody has mapped: the numbers in it, where they stand, and what tells its time.

Bounded: a payload is looked at only so deep and so far, and one that is too large not at all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

#: Larger payloads are not looked at.
MAX_BYTES: Final = 16 * 1024
#: Numbers that are taken of one message.
MAX_NUMBERS: Final = 60
_MAX_DEPTH: Final = 6
#: Entries of an array that are looked at; longer ones are curves, no readings.
_MAX_ENTRIES: Final = 8
_LONGEST_PATH: Final = 200

_PLAIN: Final = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?\Z")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: Keys whose values say when a message was made.
_TIME_KEYS: Final = frozenset(
    {"ts", "time", "timestamp", "datetime", "date_time", "last_seen", "lastseen", "unixtime",
     "measured_at", "read_at"}
)  # fmt: skip
#: A device whose clock is further away than this tells no time.
_CLOCK_TOLERANCE_S: Final = 36 * 3600.0

TimeKind = Literal["epoch", "instant", "local"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TimePlace:
    """Where a message tells its time, and how."""

    #: JMESPath
    path: str
    #: ``local``: a date and time without offset
    kind: TimeKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """What a payload has."""

    #: JMESPath to each number, ``@`` for a payload that is one, and the number
    numbers: dict[str, float]
    time: TimePlace | None = None
    #: the payload as a document; None: it is none
    document: Any = None


def look(payload: bytes, arrived_s: float) -> Looked:
    """Look for numbers in JSON or plain text; pure, never raises.

    ``arrived_s``: when it arrived, in seconds since the epoch; a time that lies far from it is no
    time of the message.
    """
    document = _document(payload)
    if not isinstance(document, dict | list):
        return Looked(numbers={} if document is None else {"@": document}, document=document)
    numbers: dict[str, float] = {}
    times: list[TimePlace] = []
    for steps, value in _leaves(document, ()):
        path = jmespath(steps)
        if len(path) > _LONGEST_PATH:
            continue
        key = next((step for step in reversed(steps) if isinstance(step, str)), "")
        number = number_of(value)
        if key.lower() in _TIME_KEYS:
            kind = time_kind(value, arrived_s)
            times += [] if kind is None else [TimePlace(path=path, kind=kind)]
        elif number is not None and len(numbers) < MAX_NUMBERS:
            numbers[path] = number
    # the one nearest to the top speaks for the message
    time = min(times, key=lambda place: place.path.count("."), default=None)
    return Looked(numbers=numbers, time=time, document=document)


def _document(payload: bytes) -> Any:
    """Return an object, an array or a number; None: it is none of them."""
    if not 0 < len(payload) <= MAX_BYTES:
        return None
    try:
        text = payload.decode("utf-8-sig").strip()
        if _PLAIN.match(text):
            return float(text)
        document = json.loads(text) if text[:1] in {"{", "["} else None
        return None if "\\u" in text and _is_unwritable(document) else document
    except (ValueError, RecursionError):
        return None


def _is_unwritable(document: Any) -> bool:
    """Whether a document holds NUL or half a surrogate pair, which no database stores.

    :raises UnicodeEncodeError: it holds half a pair.
    """
    written = json.dumps(document, ensure_ascii=False)
    return "\\u0000" in written.encode().decode()


def number_of(value: Any) -> float | None:
    """Return a number, also one that is written as text; None: it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if isinstance(value, str) and _PLAIN.match(value.strip()):
        return float(value)
    return None


def time_kind(value: Any, arrived_s: float) -> TimeKind | None:
    """Return how a value tells a time near the message's arrival; None: it tells none."""
    number = number_of(value)
    if number is not None:
        seconds = number / 1000 if number >= 1e11 else number
        return "epoch" if abs(seconds - arrived_s) <= _CLOCK_TOLERANCE_S else None
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    kind: TimeKind = "local" if instant.tzinfo is None else "instant"
    # a local time is at most fourteen hours from the one that is taken for it here
    offset = 0.0 if instant.tzinfo is None else instant.utcoffset().total_seconds()  # type: ignore[union-attr]
    seconds = (instant.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds() - offset  # noqa: DTZ001
    return kind if abs(seconds - arrived_s) <= _CLOCK_TOLERANCE_S else None


def jmespath(steps: Sequence[str | int]) -> str:
    """Return steps as JMESPath, keys in quotes where they need them."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
            continue
        key = step if _IDENTIFIER.match(step) else json.dumps(step, ensure_ascii=False)
        path += f".{key}" if path else key
    return path or "@"


def _leaves(
    value: Any, steps: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if len(steps) > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, (*steps, key))
    elif isinstance(value, list):
        if len(value) <= _MAX_ENTRIES:
            for i, part in enumerate(value):
                yield from _leaves(part, (*steps, i))
    else:
        yield steps, value
