"""Whether a limit is kept: how many means exceed it, and how many may.

The means of days and months are those of the validated means of their intervals, in the time zone
of the facility. One that is not over yet does not count. All of it is told for any minute of the
year, so that an alert is about the minute in which the mean that caused it was complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.pollutants.limits import Condition, Limit, MeanOf
from services.core.timeline.instants import to_minute

Verdict = Literal["kept", "at-risk", "broken", "unknown"]

#: How much of the allowance is used by one mean too many where none may exceed.
_NONE_ALLOWED = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """The means of intervals of one length, ascending; NaN: not valid.

    `operated` tells of which intervals the unit operated in.
    """

    starts: NDArray[np.int64]
    mean: NDArray[np.float64]
    operated: NDArray[np.bool_]
    minutes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How a condition stands: of `count` means `exceeded` exceed it, `allowed` of them may.

    `allowed_at_end`: that may by the end of the year, if all that is to come is valid. `newest`
    are the minutes in which the newest means that exceed it begin, the newest first.
    """

    condition: Condition
    count: int
    exceeded: int
    allowed: int
    allowed_at_end: int
    highest: float | None
    newest: tuple[int, ...]

    @property
    def verdict(self) -> Verdict:
        """Return whether it is kept so far; at risk: not so far, and it still can be."""
        if self.count == 0:
            return "unknown"
        if self.exceeded <= self.allowed:
            return "kept"
        return "at-risk" if self.exceeded <= self.allowed_at_end else "broken"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compliance:
    """How a limit stands at a minute."""

    limit: Limit
    conditions: tuple[Tally, ...]
    alternatives: tuple[Tally, ...]
    #: days on which too many intervals were not valid
    discarded_days: int

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of all conditions, and the best one of the alternatives."""
        verdicts = [tally.verdict for tally in self.conditions]
        if self.alternatives:
            verdicts.append(min((t.verdict for t in self.alternatives), key=_RANK.index))
        return max(verdicts, key=_RANK.index)


#: From good to bad; nothing known is worse than kept.
_RANK: Sequence[Verdict] = ("kept", "unknown", "at-risk", "broken")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Series:
    """Means of one kind over the year: when each begins and is complete, and what it is.

    `possible` are the ends of all that there can be.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    value: NDArray[np.float64]
    possible: NDArray[np.int64]


class LimitYear:
    """One limit over one calendar year of the facility, as far as it is in force in it."""

    def __init__(self, limit: Limit, means: Means, year: int, zone: ZoneInfo) -> None:
        """Take the means of the year, or more of them."""
        self.limit = limit
        days = [d for d in _days(year) if limit.holds_on(d)]
        begins = np.array([_midnight(d, zone) for d in days], dtype=np.int64)
        ends = np.array([_midnight(d + timedelta(days=1), zone) for d in days], dtype=np.int64)
        months = np.array([d.month for d in days], dtype=np.int64)
        inside = np.zeros(means.starts.size, dtype=np.bool_)
        if days:
            inside = (means.starts >= begins[0]) & (means.starts < ends[-1])
        starts, operated = means.starts[inside], means.operated[inside]
        deduction = float(limit.deduction)
        validated = means.mean[inside]
        if deduction:
            validated = np.maximum(np.round(validated - deduction, 6), 0.0)
        valid = ~np.isnan(validated)
        #: first minute, and the one after the last, that it is in force in; None: it never is
        self.in_force = (int(begins[0]), int(ends[-1])) if days else None
        begin, end = self.in_force or (0, 0)
        intervals = _Series(
            starts=starts[valid],
            ends=starts[valid] + means.minutes,
            value=validated[valid],
            possible=np.arange(begin, end, means.minutes) + means.minutes,
        )
        day = np.searchsorted(begins, starts, side="right") - 1
        most_invalid = limit.days.most_invalid
        discarded = np.zeros(len(days), dtype=np.bool_)
        if most_invalid is not None:
            invalid = np.bincount(day[operated & ~valid], minlength=len(days))
            discarded = invalid > most_invalid
        self._discarded_ends = ends[discarded]
        self._series: dict[MeanOf, _Series] = {
            "interval": intervals,
            "day": _grouped(intervals.value, day[valid], begins, ends, ~discarded),
            "month": _of_months(intervals.value, day[valid], begins, ends, months),
        }

    def compliance(self, minute: int, *, newest: int = 10) -> Compliance:
        """Tell how the limit stands with the means that are complete at a minute."""
        return Compliance(
            limit=self.limit,
            conditions=tuple(self._tally(c, minute, newest) for c in self.limit.conditions),
            alternatives=tuple(self._tally(c, minute, newest) for c in self.limit.alternatives),
            discarded_days=int(np.searchsorted(self._discarded_ends, minute, side="right")),
        )

    def used(self, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of the allowance that is used in each minute; above 1: broken.

        Of all conditions the greatest, of the alternatives the least. Where no mean may exceed,
        one that does makes it 2.
        """
        shares = [self._used(condition, minutes) for condition in self.limit.conditions]
        if self.limit.alternatives:
            either = [self._used(condition, minutes) for condition in self.limit.alternatives]
            shares.append(np.minimum.reduce(either))
        used: NDArray[np.float64] = np.maximum.reduce(shares)
        return used

    def _tally(self, condition: Condition, minute: int, newest: int) -> Tally:
        series = self._series[condition.means]
        count = int(np.searchsorted(series.ends, minute, side="right"))
        known = series.value[:count]
        exceeding = np.flatnonzero(known > float(condition.at_most))
        left = int(series.possible.size - np.searchsorted(series.possible, minute, side="right"))
        return Tally(
            condition=condition,
            count=count,
            exceeded=int(exceeding.size),
            allowed=condition.allowed(count),
            allowed_at_end=condition.allowed(count + left),
            highest=float(known.max()) if count else None,
            newest=tuple(series.starts[exceeding[::-1][:newest]].tolist()),
        )

    def _used(self, condition: Condition, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
        series = self._series[condition.means]
        exceeding = series.ends[series.value > float(condition.at_most)]
        exceeded = np.searchsorted(exceeding, minutes, side="right").astype(np.float64)
        counts = np.searchsorted(series.ends, minutes, side="right")
        left = series.possible.size - np.searchsorted(series.possible, minutes, side="right")
        allowed = np.array([condition.allowed(n) for n in (counts + left).tolist()], dtype=float)
        none = np.where(exceeded > 0, _NONE_ALLOWED + exceeded, 0.0)
        return np.where(allowed > 0, exceeded / np.maximum(allowed, 1.0), none)


def _grouped(
    value: NDArray[np.float64],
    group: NDArray[np.int64],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    counts: NDArray[np.bool_],
) -> _Series:
    """Return the mean of each group that has one and counts."""
    sizes = np.bincount(group, minlength=begins.size)
    sums = np.bincount(group, weights=value, minlength=begins.size)
    chosen = (sizes > 0) & counts
    return _Series(
        starts=begins[chosen],
        ends=ends[chosen],
        # as the intervals' own, see `means`
        value=np.round(sums[chosen] / sizes[chosen], 6),
        possible=ends,
    )


def _of_months(
    value: NDArray[np.float64],
    day: NDArray[np.int64],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    months: NDArray[np.int64],
) -> _Series:
    firsts = np.flatnonzero(np.diff(months, prepend=0) != 0)
    lasts = np.append(firsts[1:], months.size) - 1
    of_day = np.searchsorted(firsts, np.arange(months.size), side="right") - 1
    every = np.ones(firsts.size, dtype=np.bool_)
    return _grouped(value, of_day[day], begins[firsts], ends[lasts] if firsts.size else ends, every)


def _days(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]


def _midnight(day: date, zone: ZoneInfo) -> int:
    return to_minute(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))
