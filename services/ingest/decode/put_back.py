"""Local times of one message in the hour that comes twice when clocks are put back.

One such time alone is ambiguous. Several in a row tell more: where they go back, or repeat, the
clock was put back between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.core.timeline.instants import DAY_US, HOUR_US, MICROSECOND, from_us

#: Clocks are put back by no more than this.
_MARGIN_US: Final = 3 * HOUR_US


class _Fold(NamedTuple):
    """When clocks are put back, and by how much, in microseconds."""

    at_us: int
    by_us: int


def in_order(times_us: Sequence[int], zone: ZoneInfo) -> list[int]:
    """Resolve the local times that a message lists, in its order, oldest or newest first.

    ``times_us``: each as it would be alone. Those in an hour that comes twice are moved to its
    first or second pass, if the list has both.
    """
    folds = [_fold(zone, time_us) for time_us in times_us]
    ordered_us = list(times_us)
    if sum(fold is not None for fold in folds) < 2:
        return ordered_us
    local = [time_us + _offset_us(zone, time_us) for time_us in times_us]
    steps = [later - earlier for earlier, later in pairwise(local)]
    order = list(range(len(ordered_us)))
    if sum(step < 0 for step in steps) > sum(step > 0 for step in steps):
        order.reverse()
    for fold in {fold for fold in folds if fold is not None}:
        twice = [i for i in order if folds[i] == fold]
        back = [k for k, (a, b) in enumerate(pairwise(twice), 1) if local[b] <= local[a]]
        if not back:
            continue
        for k, i in enumerate(twice):
            second = ordered_us[i] >= fold.at_us
            if k < back[0] and second:
                ordered_us[i] -= fold.by_us
            elif k >= back[0] and not second:
                ordered_us[i] += fold.by_us
    return ordered_us


def _fold(zone: ZoneInfo, ts_us: int) -> _Fold | None:
    """Return the change of clocks that makes the local time of an instant ambiguous."""
    fold = _fold_of_day(zone, ts_us // DAY_US)
    return fold if fold is not None and -fold.by_us <= ts_us - fold.at_us < fold.by_us else None


@lru_cache(maxsize=1000)
def _fold_of_day(zone: ZoneInfo, day: int) -> _Fold | None:
    """Return the change of clocks within a day of UTC, or shortly before or after it."""
    low, high = day * DAY_US - _MARGIN_US, (day + 1) * DAY_US + _MARGIN_US
    before = _offset_us(zone, low)
    by_us = before - _offset_us(zone, high)
    if by_us <= 0:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_us(zone, middle) == before:
            low = middle
        else:
            high = middle
    return _Fold(high, by_us)


def _offset_us(zone: ZoneInfo, ts_us: int) -> int:
    offset = from_us(ts_us).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // MICROSECOND
