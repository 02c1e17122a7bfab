"""Days and months of a time zone as periods of whole UTC hours.

Where the hours of a zone do not begin with UTC's (India ...), a period has the hours that lie in it
whole: what is left of its first and its last hour is in no period.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from services.core.timeline.instants import hour_at_or_after, hour_at_or_before


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Whole hours: ``begins`` inclusive, ``ends`` exclusive."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Month(Period):
    """The hours of a local month, and those of its days."""

    days: tuple[Period, ...]

    def until(self, now: datetime) -> Month | None:
        """Return its days that are past at ``now``, as a month; None: there are none."""
        days = tuple(day for day in self.days if day.ends <= now)
        if not days:
            return None
        ends = self.ends if self.ends <= now else days[-1].ends
        return Month(begins=self.begins, ends=ends, days=days)


def months(zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[Month]:
    """Yield the local months that overlap ``since .. until``, the newest first."""
    newest, oldest = until.astimezone(zone).date(), since.astimezone(zone).date()
    first = newest.replace(day=1)
    while first >= oldest.replace(day=1):
        yield _month(zone, first)
        first = (first - timedelta(days=1)).replace(day=1)


def _month(zone: ZoneInfo, first: date) -> Month:
    after = (first + timedelta(days=31)).replace(day=1)
    boundaries = [
        _midnight(zone, first + timedelta(days=n)) for n in range((after - first).days + 1)
    ]
    return Month(
        begins=hour_at_or_after(boundaries[0]),
        ends=hour_at_or_before(boundaries[-1]),
        # a date that the clock skipped has no hours of its own
        days=tuple(
            Period(begins=hour_at_or_after(a), ends=hour_at_or_before(b))
            for a, b in pairwise(boundaries)
            if b > a
        ),
    )


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    """Return the first instant of a local date; a skipped midnight is the end of the jump."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
