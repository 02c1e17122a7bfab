"""Intervals of a time span: any number of minutes, hours, days, weeks or months, up to a year.

Each begins at an instant that follows from its length and the time zone alone, whatever span is
asked for:

- what divides an hour: with the UTC hour;
- shorter than a day: at each local midnight anew. Where it does not divide the day, the last one of
  the day is shorter;
- a day or longer: by the local clock, counted from Monday, 5 January 1970, 00:00;
- months: counted from January 1970, so those that divide a year begin with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.core.store.answers.buckets import Buckets
from services.core.timeline.instants import DAY_MINUTES, EPOCH, MICROSECOND, to_us

_HOUR, _DAY, _WEEK, _YEAR = 60, DAY_MINUTES, 7 * DAY_MINUTES, 12

_WRITTEN = re.compile(
    r"(?:(\d+)y)?(?:(\d+)mo)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?"
)
#: What Grafana computes for a short span.
_MILLISECONDS = re.compile(r"(\d+)ms")
#: A minute or, as Grafana writes it, a month.
_LARGE_M = re.compile(r"\dM(?![A-Za-z])")
_ISO_8601 = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)


@dataclass(frozen=True, slots=True)
class IntervalLength:
    """A length of time: minutes, or months of a calendar where ``months`` is not 0."""

    minutes: int
    months: int = 0

    def __str__(self) -> str:
        """Write it as the contract does, such as 30m, 6h, 1w, 1mo."""
        if self.months:
            whole, unit = (
                (self.months, "mo") if self.months % _YEAR else (self.months // _YEAR, "y")
            )
            return f"{whole}{unit}"
        for length, name in ((_WEEK, "w"), (_DAY, "d"), (_HOUR, "h")):
            if self.minutes % length == 0:
                return f"{self.minutes // length}{name}"
        return f"{self.minutes}m"

    @property
    def in_hour(self) -> bool:
        """Whether each lies within one UTC hour."""
        return not self.months and self.minutes < _HOUR and not _HOUR % self.minutes

    @property
    def of_days(self) -> bool:
        """Whether each is made of whole local days."""
        return bool(self.months) or self.minutes % _DAY == 0

    @property
    def of_hours(self) -> bool:
        """Whether each is made of whole hours, of the time zone's clock or of UTC's."""
        return bool(self.months) or self.minutes % _HOUR == 0

    @property
    def mean(self) -> timedelta:
        """Its mean length."""
        if self.months:
            return timedelta(days=30.4 * self.months)
        if self.minutes < _DAY:
            return timedelta(days=1) / -(-_DAY // self.minutes)
        return timedelta(minutes=self.minutes)


def parse(text: str, *, resolution: int = 1) -> IntervalLength:
    """Read an interval: 30m, 1h30m, 36h, 1d, 1w, 5mo, 1y, PT30M, P1M, seconds, or 500ms.

    ``resolution``: the minutes of what is summed, which no interval divides: one between two whole
    numbers of them is the longer.

    :raises ValueError: the text is not an interval; the message says what to write instead.
    """
    text = text.strip()
    months, seconds = _read(text)
    if months and seconds:
        raise ValueError(
            f"`{text}` is months and a rest, and has no length of its own; use whole months (1mo,"
            " 5mo, 1y) or days (30d)"
        )
    if not months and not seconds:
        raise ValueError(f"`{text}` has no length; use 1m or longer")
    minutes = -(-seconds // (60 * resolution)) * resolution
    if months > _YEAR or minutes > 366 * _DAY:
        raise ValueError(f"`{text}` is longer than a year; use 1y")
    return IntervalLength(minutes, months)


def _read(text: str) -> tuple[int, int]:
    """Return the months and seconds of an interval as it is written."""
    if milliseconds := _MILLISECONDS.fullmatch(text[:20]):
        return 0, -(-int(milliseconds[1]) // 1000)
    is_iso = _ISO_8601.fullmatch(text)
    match = is_iso or _WRITTEN.fullmatch(text.lower())
    if match is None or not any(match.groups()) or len(text) > 20:
        raise ValueError(
            f"`{text[:20]}` is not an interval; write 1m, 30m, 1h, 36h, 1d, 1w, 1mo, 1y, PT30M or"
            " `auto`"
        )
    if not is_iso and _LARGE_M.search(text):
        raise ValueError(f"`{text}`: M may be a minute or a month; write m or mo")
    years, months, weeks, days, hours, minutes, seconds = (int(n or 0) for n in match.groups())
    return (
        months + _YEAR * years,
        seconds + 60 * (minutes + 60 * hours + _DAY * days + _WEEK * weeks),
    )


HOURLY = IntervalLength(_HOUR)
DAILY = IntervalLength(_DAY)

#: What ``auto`` chooses from, finest first.
INTERVALS: tuple[IntervalLength, ...] = tuple(map(parse, ("1m", "5m", "15m", "1h", "1d", "1mo")))

_MINUTE = timedelta(minutes=1)
_TWO_DAYS = timedelta(days=2)
#: A Monday: weeks, and all that is longer than a day, are counted from here.
_FIRST_DAY = datetime(1970, 1, 5)  # noqa: DTZ001 - a local date
#: January 1970, in months since the year 0.
_FIRST_MONTH = 1970 * _YEAR


def count_about(interval: IntervalLength, begins: datetime, ends: datetime) -> int:
    """Estimate how many intervals overlap ``begins .. ends``; exact to one, at least one."""
    return max(1, -((begins - ends) // interval.mean))


def finest(begins: datetime, ends: datetime, *, limit: int) -> IntervalLength:
    """Choose the finest interval with at most ``limit`` in the span; the coarsest if none fits."""
    for interval in INTERVALS:
        if count_about(interval, begins, ends) <= limit:
            return interval
    return INTERVALS[-1]


def cut(
    interval: IntervalLength, begins: datetime, ends: datetime, *, timezone: str, limit: int
) -> Buckets:
    """Return the whole intervals that overlap the span, oldest first, at most ``limit``."""
    if ends <= begins:
        return Buckets.between([])
    if interval.in_hour or interval == HOURLY:
        return _cut_evenly(interval.mean, begins, ends, limit=limit)
    if interval == DAILY:
        return _cut_at(_midnights_us(timezone, begins, ends), begins, ends, limit=limit)
    if not interval.months and interval.minutes < _HOUR:
        return _cut_days(interval, begins, ends, timezone=timezone, limit=limit)
    return _cut_by_calendar(interval, begins, ends, zone=ZoneInfo(timezone), limit=limit)


def _cut_evenly(step: timedelta, begins: datetime, ends: datetime, *, limit: int) -> Buckets:
    first = begins - (begins - EPOCH) % step
    count = min(limit, -((first - ends) // step))
    return Buckets.between_us(to_us(first) + step // MICROSECOND * np.arange(count + 1))


def _cut_days(
    interval: IntervalLength, begins: datetime, ends: datetime, *, timezone: str, limit: int
) -> Buckets:
    """Cut each local day evenly, from its midnight on; its last interval may be shorter."""
    days = cut(DAILY, begins, ends, timezone=timezone, limit=limit)
    step_us = interval.minutes * _MINUTE // MICROSECOND
    pairs = zip(days.begins_us.tolist(), days.ends_us.tolist(), strict=True)
    boundaries = np.concatenate([np.arange(*day, step_us) for day in pairs] + [days.ends_us[-1:]])
    return _cut_at(boundaries, begins, ends, limit=limit)


def _cut_at(
    boundaries_us: NDArray[np.int64], begins: datetime, ends: datetime, *, limit: int
) -> Buckets:
    """Cut at ascending boundaries, some of which lie at both ends of the span or beyond."""
    first = int(np.searchsorted(boundaries_us, to_us(begins), side="right")) - 1
    last = min(first + limit, int(np.searchsorted(boundaries_us, to_us(ends))))
    return Buckets.between_us(boundaries_us[first : last + 1])


def _midnights_us(timezone: str, begins: datetime, ends: datetime) -> NDArray[np.int64]:
    """Return the starts of local days, from one before ``begins`` to one after ``ends`` at least.

    A date that the clock skipped has no start of its own.
    """
    # where it is another year than in UTC
    years = range((begins - _TWO_DAYS).year, (ends + _TWO_DAYS).year + 1)
    return np.unique(np.concatenate([_midnights_of_year(timezone, year) for year in years]))


@lru_cache(maxsize=256)
def _midnights_of_year(timezone: str, year: int) -> NDArray[np.int64]:
    # one by one they take a third of an answer by day
    zone = ZoneInfo(timezone)
    first = datetime(year, 1, 1)  # noqa: DTZ001 - a local date
    days = (datetime(year + 1, 1, 1) - first).days  # noqa: DTZ001 - a local date
    starts = [to_us(_instant(first + timedelta(days=day), zone)) for day in range(days)]
    return np.array(starts, dtype=np.int64)


def _cut_by_calendar(
    interval: IntervalLength, begins: datetime, ends: datetime, *, zone: ZoneInfo, limit: int
) -> Buckets:
    local_edges = _local_edges(interval, begins.astimezone(zone).replace(tzinfo=None, fold=0))
    edge = _instant(next(local_edges), zone)
    boundaries: list[datetime] = []
    for local in local_edges:
        next_boundary = _instant(local, zone)
        # a date that the clock skipped has no hours of its own
        if next_boundary <= edge:
            continue
        if edge >= ends or len(boundaries) == limit:
            break
        if next_boundary > begins:
            boundaries.append(edge)
        edge = next_boundary
    return Buckets.between([*boundaries, edge])


def _local_edges(interval: IntervalLength, local: datetime) -> Iterator[datetime]:
    """Yield local starts of intervals, from the day of ``local`` or before on."""
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval.months:
        first = day.year * _YEAR + day.month - 1
        first -= (first - _FIRST_MONTH) % interval.months
        while True:
            yield datetime(first // _YEAR, first % _YEAR + 1, 1)  # noqa: DTZ001 - a local date
            first += interval.months
    step = timedelta(minutes=interval.minutes)
    if interval.minutes >= _DAY:
        day -= (day - _FIRST_DAY) % step
        while True:
            yield day
            day += step
    while True:
        yield from (day + minutes * _MINUTE for minutes in range(0, _DAY, interval.minutes))
        day += timedelta(days=1)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local date; a skipped midnight is the end of the jump."""
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
