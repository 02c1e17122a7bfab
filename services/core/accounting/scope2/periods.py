"""The periods within which a load is matched: hours, and months or years of a time zone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.scope2.policies import MatchPolicy, Period
from services.core.timeline.instants import HOUR_US, from_us, to_us

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatedPolicy:
    """A policy, and the first day that it holds; None: always."""

    policy: MatchPolicy
    first: date | None = None


class MatchCalendar:
    """Which policy holds at an hour, and which period of it the hour is in.

    A policy ends where the next one begins, and its last period with it.
    """

    def __init__(self, policies: Sequence[DatedPolicy], zone: ZoneInfo) -> None:
        """Take the policies in the order in which they begin."""
        self.policies = [dated.policy for dated in policies]
        self._zone = zone
        self._firsts_us = [_midnight_us(dated.first or date.min, zone) for dated in policies]

    def policy_of(self, hour_us: Integers) -> Integers:
        """Return the index of the policy of each hour; the first one speaks for all before it."""
        return np.maximum(0, np.searchsorted(self._firsts_us, hour_us, side="right") - 1)

    def whole(self, first_us: int, end_us: int) -> tuple[int, int]:
        """Return the whole periods that a span of time lies in, from a start to an end."""
        return self._begin(first_us), self._end(end_us - 1)

    def period_of(self, hour_us: Integers) -> Integers:
        """Return the number of each hour's period, from 0 without a gap; hours are ascending."""
        if not hour_us.size:
            return np.zeros(0, dtype=np.int64)
        starts_us, is_hourly = [self._begin(int(hour_us[0]))], list[bool]()
        while starts_us[-1] <= hour_us[-1]:
            index = self._index(starts_us[-1])
            is_hourly.append(self.policies[index].period == "hour")
            starts_us.append(self._stop(index) if is_hourly[-1] else self._end(starts_us[-1]))
        place = np.searchsorted(starts_us, hour_us, side="right") - 1
        hour = (hour_us - int(hour_us[0])) // HOUR_US
        number = np.where(np.array(is_hourly)[place], len(starts_us) + hour, place)
        period: Integers = np.unique(number, return_inverse=True)[1]
        return period

    def _index(self, us: int) -> int:
        return max(0, bisect_right(self._firsts_us, us) - 1)

    def _stop(self, index: int) -> int:
        """Return when a policy ends."""
        if index + 1 < len(self._firsts_us):
            return self._firsts_us[index + 1]
        return _midnight_us(date.max, self._zone)

    def _begin(self, us: int) -> int:
        index = self._index(us)
        begin = calendar_start(us, self.policies[index].period, self._zone)
        return max(begin, self._firsts_us[index]) if index else begin

    def _end(self, us: int) -> int:
        index = self._index(us)
        end = calendar_start(us, self.policies[index].period, self._zone, later=1)
        return min(end, self._stop(index))


def calendar_start(us: int, period: Period, zone: ZoneInfo, *, later: int = 0) -> int:
    """Return the start of the UTC hour, or local month or year, that an instant is in.

    ``later``: of the next one but so many.
    """
    if period == "hour":
        return us - us % HOUR_US + later * HOUR_US
    local = from_us(us).astimezone(zone)
    if period == "year":
        return _midnight_us(date(local.year + later, 1, 1), zone)
    month = local.year * 12 + local.month - 1 + later
    return _midnight_us(date(month // 12, month % 12 + 1, 1), zone)


def _midnight_us(day: date, zone: ZoneInfo) -> int:
    if day in {date.min, date.max}:
        # beyond what has a time zone
        return to_us(datetime.combine(day, time(), ZoneInfo("UTC")))
    return to_us(datetime.combine(day, time(), zone))
