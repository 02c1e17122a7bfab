"""How much one tick computes, and what of more than that comes first.

The newest minutes first, whole hours of them, so that an hour changes once. What is left waits in
the database (:mod:`services.core.store.emissions.left_over`). Memory follows from these bounds: a
source minute takes about a kilobyte while it is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.core.store.computation.ranges import Ranges
from services.core.timeline.instants import DAY_MINUTES

#: Older minutes than this are nobody's live totals.
LIVE_MINUTES = DAY_MINUTES

#: No piece is smaller: an hour of one source.
_LEAST_MINUTES = 60

#: A tick that computes older minutes is to take about this long; twice that at most, if it goes on
#: as it did. What arrives meanwhile waits for its end.
_AIM_S = 0.25

#: Beside live minutes a tick computes only so small a part of what it might of older ones.
_BESIDE_LIVE = 10

#: Half a second's work of what is packed at once; about a hundred megabytes while it is computed.
_MAX_OLD = 120_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Pieces:
    """Bounds of one tick of one facility."""

    #: (channel, minute) pairs that are claimed
    pairs: int = 20_000
    #: source minutes of the last day
    live: int = 100_000
    #: source minutes from before, of whatever asks for them
    old: int = 10_000

    def smaller(self, times: int) -> Pieces:
        """Return what is tried after so many failures: an eighth each time."""
        if not times:
            return self
        by = 8 ** min(times, 4)
        return replace(
            self,
            pairs=max(1, self.pairs // by),
            live=max(_LEAST_MINUTES, self.live // by),
            old=max(_LEAST_MINUTES, self.old // by),
        )

    def after(self, seconds: float, old_minutes: int) -> Pieces:
        """Those of the next tick, after one took so long with so many older minutes."""
        if seconds > 2 * _AIM_S and old_minutes > 0:
            return replace(self, old=max(_LEAST_MINUTES, min(self.old, old_minutes) // 2))
        if seconds < _AIM_S and old_minutes * 2 > self.old:
            return replace(self, old=min(_MAX_OLD, self.old * 2))
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Ranges of minutes that are computed now, and those that wait."""

    now: Ranges
    later: Ranges
    #: how many of those now are older ones
    old_minutes: int


def split(
    ranges: Ranges,
    pieces: Pieces,
    live_from: int,
    *,
    live_only: bool = False,
    packed_before: int = 0,
) -> Split:
    """Split what fits into a tick from what does not; ``live_from``: the first minute of a day.

    ``live_only``: more is touched than was claimed, so that older minutes wait. ``packed_before``:
    minutes before this one are packed, by day.
    """
    total = int((ranges.lasts - ranges.firsts).sum()) + len(ranges)
    first = int(ranges.firsts.min()) if total else live_from
    if first >= live_from and total <= pieces.live:
        return Split(now=ranges, later=ranges.where(np.zeros(len(ranges), np.bool_)), old_minutes=0)
    live, older = _cut(ranges, live_from)
    now, later = _newest(live, pieces.live)
    max_old = pieces.old // _BESIDE_LIVE if len(live) else pieces.old
    warm, cold = _cut(older, packed_before)
    now_warm, later_warm = _newest(warm, 0 if live_only else max_old)
    left = pieces.old - int((now_warm.lasts - now_warm.firsts).sum()) - len(now_warm)
    # never beside live minutes: a part of a day of each source would be dearer than days of some
    now_cold, later_cold = _newest_days(cold, 0 if live_only or len(live) else left)
    now_old, later_old = _joined(now_warm, now_cold), _joined(later_warm, later_cold)
    return Split(
        now=_joined(now, now_old),
        later=_joined(later, later_old),
        old_minutes=int((now_old.lasts - now_old.firsts).sum()) + len(now_old),
    )


def _newest_days(ranges: Ranges, limit: int) -> tuple[Ranges, Ranges]:
    """Split off the newest days of some rows, with about ``limit`` minutes, one day at least."""
    days = _by_day(ranges)
    sizes = days.lasts - days.firsts + 1
    fits = np.cumsum(sizes) - sizes + DAY_MINUTES <= max(limit, DAY_MINUTES)
    if limit <= 0:
        fits[:] = False
    return days.where(fits).union()[0], days.where(~fits).union()[0]


def _by_day(ranges: Ranges) -> Ranges:
    """Return the parts of the ranges in each day, the newest first."""
    first_days = ranges.firsts // DAY_MINUTES
    sizes = ranges.lasts // DAY_MINUTES - first_days + 1
    row = np.repeat(np.arange(sizes.size), sizes)
    day = first_days[row] + np.arange(row.size) - (np.cumsum(sizes) - sizes)[row]
    order = np.lexsort((ranges.ids[row], -day))
    row, begins = row[order], day[order] * DAY_MINUTES
    return Ranges(
        ids=ranges.ids[row],
        firsts=np.maximum(ranges.firsts[row], begins),
        lasts=np.minimum(ranges.lasts[row], begins + DAY_MINUTES - 1),
    )


def _newest(ranges: Ranges, limit: int) -> tuple[Ranges, Ranges]:
    """Split off the newest hours of all rows with at most ``limit`` minutes together.

    Where a single hour of all rows has more, that hour of some of them.
    """
    if not limit or not len(ranges):
        return ranges.where(np.zeros(len(ranges), np.bool_)), ranges
    low, high = int(ranges.firsts.min()) // 60, int(ranges.lasts.max()) // 60 + 1
    # the first hour from which on everything fits
    while low < high:
        middle = (low + high) // 2
        if (
            int(np.maximum(ranges.lasts - np.maximum(ranges.firsts, middle * 60) + 1, 0).sum())
            <= limit
        ):
            high = middle
        else:
            low = middle + 1
    now, rest = _cut(ranges, low * 60)
    if len(now):
        return now, rest
    hour, _ = _cut(ranges, (low - 1) * 60)
    sizes = hour.lasts - hour.firsts + 1
    fits = np.cumsum(sizes) <= max(limit, int(sizes[0]))
    _, rest = _cut(ranges, (low - 1) * 60)
    return hour.where(fits), _joined(rest, hour.where(~fits))


def _cut(ranges: Ranges, minute: int) -> tuple[Ranges, Ranges]:
    """Split at a minute: what lies from it on, and what before it."""
    late, early = ranges.lasts >= minute, ranges.firsts < minute
    return (
        replace(ranges, firsts=np.maximum(ranges.firsts, minute)).where(late),
        replace(ranges, lasts=np.minimum(ranges.lasts, minute - 1)).where(early),
    )


def _joined(one: Ranges, other: Ranges) -> Ranges:
    return Ranges(
        ids=np.concatenate((one.ids, other.ids)),
        firsts=np.concatenate((one.firsts, other.firsts)),
        lasts=np.concatenate((one.lasts, other.lasts)),
    ).union()[0]
