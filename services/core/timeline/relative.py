"""Instants as people write them: one reader for the API and the command line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from services.core.timeline.instants import rfc3339

#: What every refusal ends with.
HOW: Final = (
    "accepted are RFC 3339 with an offset (2026-11-23T18:00:00Z), a date (2026-11-23, midnight"
    " UTC), epoch seconds and milliseconds, and now, now-7d, now/d, now-1d/d"
)

#: Days of the proleptic calendar that PostgreSQL and Python agree on, with room for time zones.
OLDEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
NEWEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

#: From here on a number is epoch milliseconds, below it epoch seconds.
_MILLISECONDS_FROM: Final = 1e11

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STEP: Final = re.compile(r"([+-])([0-9]{1,6})([smhdwMQy])|/([smhdwMQy])")
_LENGTHS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MONTHS: Final = {"M": 1, "Q": 3, "y": 12}
#: A Monday: weeks begin on it.
_MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)


def read(text: str, *, now: datetime, is_end: bool = False) -> datetime:
    """Read an instant; ``is_end``: it ends a span, so that ``now/d`` is the end of the day.

    Spans of days, weeks, months and years are those of UTC.

    :raises ValueError: it is none, has no offset or lies outside 1900 .. 2200.
    """
    # a plus sign that was not percent-encoded arrives as a space
    written = text.strip().replace(" ", "+")
    try:
        instant = (
            _relative(written[3:], now, is_end=is_end)
            if written[:3] == "now"
            else _absolute(written)
        )
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"`{text}` is not a time; {HOW}") from None
    if instant.tzinfo is None:
        raise ValueError(f"`{text}` has no offset; write {written}Z for UTC")
    if not OLDEST <= instant <= NEWEST:
        raise ValueError(f"`{text}` is outside the years 1900 to 2200")
    return instant.astimezone(UTC)


def in_order(begins: date | None, ends: date | None) -> None:
    """Refuse a span, of instants or of days, that is reversed or empty; None: without bound.

    :raises ValueError: it is; the message says both ends.
    """
    if begins is not None and ends is not None and begins >= ends:
        first, last = _written(begins), _written(ends)
        raise ValueError(f"`from` must be before `to`, but {first} is not before {last}")


def _written(bound: date) -> str:
    return rfc3339(bound) if isinstance(bound, datetime) else bound.isoformat()


def _absolute(written: str) -> datetime:
    if _DATE.fullmatch(written):
        return datetime.fromisoformat(written).replace(tzinfo=UTC)
    try:
        number = float(written)
    except ValueError:
        return datetime.fromisoformat(written)
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    return datetime.fromtimestamp(seconds, UTC)


def _relative(steps: str, now: datetime, *, is_end: bool) -> datetime:
    instant, place = now.astimezone(UTC), 0
    while place < len(steps):
        match = _STEP.match(steps, place)
        if match is None:
            raise ValueError(steps)
        sign, count, unit, rounded = match.groups()
        if rounded is not None:
            instant = _start(instant, rounded)
            instant = _later(instant, 1, rounded) if is_end else instant
        else:
            instant = _later(instant, int(f"{sign}{count}"), unit)
        place = match.end()
    return instant


def _start(instant: datetime, unit: str) -> datetime:
    if unit in _LENGTHS:
        return instant - (instant - _MONDAY) % _LENGTHS[unit]
    month = (instant.month - 1) // _MONTHS[unit] * _MONTHS[unit] + 1
    return datetime(instant.year, month, 1, tzinfo=UTC)


def _later(instant: datetime, count: int, unit: str) -> datetime:
    if unit in _LENGTHS:
        return instant + count * _LENGTHS[unit]
    year, month = divmod(instant.year * 12 + instant.month - 1 + count * _MONTHS[unit], 12)
    first = instant.replace(year=year, month=month + 1, day=1)
    next_month = (first + timedelta(days=32)).replace(day=1)
    # the 31st of a month that has none is its last day
    return first.replace(day=min(instant.day, (next_month - timedelta(days=1)).day))
