"""Data points: how many readings an hour had, and how many there could have been.

A reading is one data point at its own time. What its value covers until the next one is no
measurement: a value that is held for an hour is one data point of that hour.

How many points an hour could have had follows from the channel's interval. The facility file states
it (``every``), or it is learned from the times of readings of any quality: a bad reading is no data
point, but it tells that there could have been one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import MINUTE_US

#: The slowest cycle that a rule allows (40 CFR 75.10(d)(1)): a longer pause is an outage, not an
#: interval. A monitor that measures less often states its interval.
SLOWEST_US = 15 * MINUTE_US

#: Hours before an hour that its interval is learned from, beside itself. They are few, so that
#: closing reads little, and spread over a day, so that an outage of some hours, in which fewer
#: readings came, does not pass for a slower monitor.
LOOK_BACK_HOURS = (1, 6, 12, 18, 24)

#: A rhythm is one when it fills this share of the time between readings. A burst fills less.
_LEAST_SHARE = 0.25

#: An hour tells its interval when its readings follow each other for as long as this.
_LEAST_TIME_US = SLOWEST_US

#: Rounds of settling on a rhythm; it takes a few.
_MAX_ROUNDS = 50


def hour_interval_us(ts_us: NDArray[np.int64], max_gap_us: int) -> int | None:
    """Return the interval at which readings came within one hour; None: they do not tell.

    `ts_us` are the ascending times of readings of any quality. A pause beyond `max_gap_us`, or
    beyond the slowest cycle, is an outage. Lost readings make some pauses multiples of the
    interval, and bursts make some far shorter: so it is the shortest rhythm that fills a quarter of
    the time, where a rhythm is all pauses from half to one and a half times its mean.
    """
    pauses = np.sort(np.diff(ts_us))
    pauses = pauses[(pauses > 0) & (pauses <= min(max_gap_us, SLOWEST_US))]
    sums = np.concatenate(([0], np.cumsum(pauses)))
    if sums[-1] < _LEAST_TIME_US:
        return None
    low = np.searchsorted(pauses, pauses / 2, side="left")
    high = np.searchsorted(pauses, pauses * 1.5, side="right")
    fills = sums[high] - sums[low] >= _LEAST_SHARE * sums[-1]
    if not fills.any():
        return None
    first = int(np.argmax(fills))
    begin, end = int(low[first]), int(high[first])
    for _ in range(_MAX_ROUNDS):
        mean = (sums[end] - sums[begin]) / (end - begin)
        closer = (
            int(np.searchsorted(pauses, mean / 2, side="left")),
            int(np.searchsorted(pauses, mean * 1.5, side="right")),
        )
        if closer == (begin, end):
            break
        begin, end = closer
    return _whole_seconds(float(sums[end] - sums[begin]) / (end - begin))


def _whole_seconds(interval_us: float) -> int:
    """Return the interval in microseconds, in whole seconds where it lies within 5 % of some."""
    seconds = round(interval_us / 1e6)
    if abs(interval_us - seconds * 1e6) <= 0.05 * interval_us:
        return seconds * 1_000_000
    return max(1, round(interval_us))


def learned_interval_us(by_hour: Mapping[int, int | None], clock_hour: int, max_gap_us: int) -> int:
    """Return the interval to judge an hour by, from what this and earlier hours tell.

    It is the middle one of those that are known, the shorter of two; where none is known the
    longest that the readings may lie apart. So it depends on nothing but readings, in whatever
    order they came.
    """
    known = sorted(
        interval
        for back in (0, *LOOK_BACK_HOURS)
        if (interval := by_hour.get(clock_hour - back)) is not None
    )
    return known[(len(known) - 1) // 2] if known else min(max_gap_us, SLOWEST_US)


def data_points(ts_us: NDArray[np.int64], every_us: int) -> int:
    """Return how many data points valid readings are for a monitor that measures ``every_us``.

    `ts_us` are their ascending times. Readings that follow each other closer than the interval make
    as many points as intervals fit, so that neither bursts nor duplicates count for what is
    lacking elsewhere.
    """
    if ts_us.size == 0:
        return 0
    breaks = np.flatnonzero(2 * np.diff(ts_us) > 3 * every_us) + 1
    begins = np.concatenate(([0], breaks))
    ends = np.concatenate((breaks, [ts_us.size]))
    fitting = (2 * (ts_us[ends - 1] - ts_us[begins]) + every_us) // (2 * every_us) + 1
    return int(np.minimum(ends - begins, fitting).sum())


def possible_points(operating_s: float, every_us: int) -> int:
    """Return how many data points a monitor could give while the unit operates, at least one."""
    return max(1, int(operating_s * 1e6) // every_us)
