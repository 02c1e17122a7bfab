"""How a span of time is cut into intervals: minutes, hours, and days and months of a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from services.core.store.emissions import Bucket

Interval = Literal["1m", "5m", "15m", "1h", "1d", "1mo"]
#: From the finest to the coarsest.
INTERVALS: tuple[Interval, ...] = get_args(Interval)

#: Intervals of equal length, aligned to the UTC hour.
STEPS: dict[Interval, timedelta] = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
#: Mean length of a calendar interval, to tell how many there are without cutting them.
_ABOUT: dict[Interval, timedelta] = {**STEPS, "1d": _DAY, "1mo": timedelta(days=30.4)}


def count_about(interval: Interval, begins: datetime, ends: datetime) -> int:
    """About how many intervals touch ``begins .. ends``; exact to one, at least one."""
    return max(1, -((begins - ends) // _ABOUT[interval]))


def finest(begins: datetime, ends: datetime, *, most: int) -> Interval:
    """The finest interval that cuts the span into at most ``most``; the coarsest if none does."""
    for interval in INTERVALS:
        if count_about(interval, begins, ends) <= most:
            return interval
    return INTERVALS[-1]


def cut(
    interval: Interval, begins: datetime, ends: datetime, *, timezone: str, most: int
) -> list[Bucket]:
    """The whole intervals that touch ``begins .. ends``, oldest first, at most ``most``."""
    if ends <= begins:
        return []
    if interval in STEPS:
        return _cut_evenly(STEPS[interval], begins, ends, most=most)
    return _cut_by_calendar(interval == "1mo", begins, ends, zone=ZoneInfo(timezone), most=most)


def _cut_evenly(step: timedelta, begins: datetime, ends: datetime, *, most: int) -> list[Bucket]:
    first = begins - (begins - _EPOCH) % step
    count = min(most, -((first - ends) // step))
    edges = [first + step * i for i in range(count + 1)]
    return [Bucket(begins=a, ends=b) for a, b in pairwise(edges)]


def _cut_by_calendar(
    monthly: bool, begins: datetime, ends: datetime, *, zone: ZoneInfo, most: int
) -> list[Bucket]:
    local = (
        begins.astimezone(zone)
        .replace(tzinfo=None, fold=0)
        .replace(hour=0, minute=0, second=0, microsecond=0)
    )
    if monthly:
        local = local.replace(day=1)
    buckets: list[Bucket] = []
    while len(buckets) < most:
        following = local + _DAY if not monthly else _next_month(local)
        bucket = Bucket(begins=_instant(local, zone), ends=_instant(following, zone))
        if bucket.begins >= ends:
            break
        buckets.append(bucket)
        local = following
    return buckets


def _next_month(local: datetime) -> datetime:
    return (local.replace(day=28) + timedelta(days=4)).replace(day=1)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant of a local date; a midnight that the clock skipped is the jump's end."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def whole_hours(timezone: str, begins: datetime, ends: datetime) -> bool:
    """Whether the hours of ``timezone`` begin with UTC's all the time between the two instants."""
    zone = ZoneInfo(timezone)
    probe = begins
    while True:
        offset = probe.astimezone(zone).utcoffset() or timedelta()
        if offset % timedelta(hours=1):
            return False
        if probe >= ends:
            return True
        # no zone keeps an offset for less than a few weeks
        probe = min(ends, probe + timedelta(days=14))
