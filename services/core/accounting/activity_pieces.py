"""Amounts of a period, such as a bill's, as events: a part for each day, in all the whole amount.

Within a day nothing is known of when it happened. Each part stands in the day's first hour, at an
instant that follows from the entry's id: two entries of one day are two events, and an entry that
is read again is the same events again.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.core.timeline.instants import HOUR_US, to_us

_ONE_DAY: Final = timedelta(days=1)
#: Decimals of an amount that is kept.
_DIGITS: Final = 9


class Piece(NamedTuple):
    """A part of an amount at an instant."""

    ts_us: int
    amount: float


def pieces(entry_id: str, first: date, end: date, amount: float, zone: ZoneInfo) -> list[Piece]:
    """Spread an amount evenly over the time of local days, ``end`` exclusive.

    Each part is a whole number of billionths, as amounts are kept; the last one is what the others
    leave, so that they come to the amount.
    """
    offset_us = _offset_us(entry_id)
    begins_us = _days_us(first, end, zone)
    whole_us = begins_us[-1] - begins_us[0]
    parts = [
        Piece(a + offset_us, round(amount * (b - a) / whole_us, _DIGITS))
        for a, b in pairwise(begins_us)
    ]
    rest = math.fsum([amount, *(-part.amount for part in parts[:-1])])
    return [*parts[:-1], Piece(parts[-1].ts_us, rest)]


def instants_us(entry_id: str, first: date, end: date, zone: ZoneInfo) -> list[int]:
    """Return when the parts of an entry stand."""
    offset_us = _offset_us(entry_id)
    return [begin_us + offset_us for begin_us in _days_us(first, end, zone)[:-1]]


def _days_us(first: date, end: date, zone: ZoneInfo) -> list[int]:
    """Return when each day begins, and the last one ends."""
    days = [first + n * _ONE_DAY for n in range((end - first).days + 1)]
    return [to_us(datetime.combine(day, time(), zone).astimezone(UTC)) for day in days]


def _offset_us(entry_id: str) -> int:
    digest = hashlib.blake2b(entry_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % HOUR_US
