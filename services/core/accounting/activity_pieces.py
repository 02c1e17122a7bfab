"""Amounts of a period, such as a bill's, as events: a part for each day, in all the whole amount.

Within a day nothing is known of when it happened, unless a profile weighs its hours: then there is
a part for each hour that has weight. Each part stands in the first hour of what it is of, at an
instant that follows from the entry's id: two entries of one day are two events, and an entry that
is read again is the same events again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.core.timeline.instants import HOUR_US, from_us, to_us

_ONE_DAY: Final = timedelta(days=1)
#: Decimals of an amount that is kept.
_DIGITS: Final = 9
_BILLIONTHS: Final = 10**_DIGITS


class Piece(NamedTuple):
    """A part of an amount at an instant."""

    ts_us: int
    amount: float


class HourSlot(NamedTuple):
    """An hour of a local day, or what a change of the clocks leaves of one."""

    begin_us: int
    end_us: int
    #: of the local clock, 0 to 23
    hour: int
    #: 0: Monday
    weekday: int


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


def weighed_pieces(
    entry_id: str, slots: Sequence[HourSlot], weights: Sequence[float], amount: float
) -> list[Piece]:
    """Spread an amount over hours by their weights; hours without weight have no part.

    What is spread up to an hour is the amount's share of the weights up to it, rounded down to a
    billionth, so that no rounding adds up; the last part is what the others leave.

    :raises ValueError: no hour has weight, or a weight is negative or none.
    """
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError("the weights of a profile are numbers of 0 and more")
    shares = [Fraction(weight) for weight in weights]
    common = math.lcm(*(share.denominator for share in shares)) if shares else 1
    whole_weights = [share.numerator * (common // share.denominator) for share in shares]
    whole_weight = sum(whole_weights)
    if not whole_weight:
        raise ValueError("its profile gives no hour of the period any weight")
    whole = round(Fraction(amount) * _BILLIONTHS)
    offset_us = _offset_us(entry_id)
    parts: list[Piece] = []
    weight_so_far, spread = 0, 0
    for slot, weight in zip(slots, whole_weights, strict=True):
        weight_so_far += weight
        now = whole * weight_so_far // whole_weight
        if now != spread:
            parts.append(Piece(slot.begin_us + offset_us, (now - spread) / _BILLIONTHS))
        spread = now
    if not parts:
        # an amount of nothing is one event of nothing
        parts = [Piece(slots[0].begin_us + offset_us, 0.0)]
    rest = math.fsum([amount, *(-part.amount for part in parts[:-1])])
    return [*parts[:-1], Piece(parts[-1].ts_us, rest)]


def hour_slots(first: date, end: date, zone: ZoneInfo) -> list[HourSlot]:
    """Return the hours of local days, ``end`` exclusive; a day may have 23 or 25 of them."""
    return [slot for a, b in pairwise(_days_us(first, end, zone)) for slot in _hours(a, b, zone)]


def _hours(day_us: int, next_us: int, zone: ZoneInfo) -> Iterator[HourSlot]:
    for begin_us in range(day_us, next_us, HOUR_US):
        local = from_us(begin_us).astimezone(zone)
        yield HourSlot(begin_us, min(begin_us + HOUR_US, next_us), local.hour, local.weekday())


def instants_us(entry_id: str, first: date, end: date, zone: ZoneInfo) -> list[int]:
    """Return when the parts of an entry may stand, by days and by hours."""
    offset_us = _offset_us(entry_id)
    return [slot.begin_us + offset_us for slot in hour_slots(first, end, zone)]


def _days_us(first: date, end: date, zone: ZoneInfo) -> list[int]:
    """Return when each day begins, and the last one ends."""
    days = [first + n * _ONE_DAY for n in range((end - first).days + 1)]
    return [to_us(datetime.combine(day, time(), zone).astimezone(UTC)) for day in days]


def _offset_us(entry_id: str) -> int:
    digest = hashlib.blake2b(entry_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % HOUR_US
