"""Gauges: a value holds from its reading until the next one, or for `max_gap` at most.

Time that no value holds is uncovered: it is left out of the mean and of the coverage, it is never
zero. What a minute gets depends on readings only, never on a clock, so the last value of a live
channel counts into the rest of its hold at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import MINUTE_US


def minute_means(
    ts_us: NDArray[np.int64],
    value: NDArray[np.float64],
    max_gap_us: int,
    first_minute: int,
    last_minute: int,
    owner: NDArray[np.int64] | None = None,
    owners: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Compute the time-weighted mean and the covered microseconds of each minute.

    With `owner`, the ascending number below `owners` of the gauge that each reading belongs to, the
    answer holds the minutes of the first gauge, then those of the second, and so on; a gauge's are
    the same, to the bit, as alone.

    `ts_us` ascends without duplicates; NaN in `value` is an explicit gap: it ends the hold of the
    value before it and holds nothing. For the same answer as over all readings, give every reading
    from `max_gap_us` before the first minute to the end of the last one. The mean is NaN where
    nothing is covered.
    """
    count = max(last_minute - first_minute + 1, 0)
    size = count * owners
    total = np.zeros(size)
    covered = np.zeros(size, dtype=np.int64)
    means = np.full(size, np.nan)
    if size == 0 or ts_us.size == 0:
        return means, covered
    until = ts_us + max_gap_us
    ends = np.minimum(until[:-1], ts_us[1:])
    until[:-1] = ends if owner is None else np.where(owner[:-1] == owner[1:], ends, until[:-1])
    is_value = np.isfinite(value)
    t0, t1, v = ts_us[is_value], until[is_value], value[is_value]
    low = np.maximum(t0 // MINUTE_US, first_minute)
    high = np.minimum((t1 - 1) // MINUTE_US, last_minute)
    pieces = np.maximum(high - low + 1, 0)
    if not pieces.any():
        return means, covered
    which = np.repeat(np.arange(t0.size), pieces)
    nth = np.arange(which.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    minute = low[which] + nth
    length = np.minimum(t1[which], (minute + 1) * MINUTE_US) - np.maximum(
        t0[which], minute * MINUTE_US
    )
    slot = minute - first_minute
    if owner is not None:
        slot += owner[is_value][which] * count
    np.add.at(covered, slot, length)
    # Weighing the distance from the minute's first value keeps a constant exactly constant.
    base = np.zeros(size)
    base[slot[::-1]] = v[which][::-1]
    np.add.at(total, slot, (v[which] - base[slot]) * length)
    some = covered > 0
    means[some] = base[some] + total[some] / covered[some]
    return means, covered


def minute_extremes(
    ts_us: NDArray[np.int64],
    value: NDArray[np.float64],
    max_gap_us: int,
    first_minute: int,
    last_minute: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the lowest and highest value held in each minute; arguments as `minute_means`.

    NaN where nothing held.
    """
    count = max(last_minute - first_minute + 1, 0)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    if count and ts_us.size:
        until = ts_us + max_gap_us
        until[:-1] = np.minimum(until[:-1], ts_us[1:])
        is_value = np.isfinite(value)
        begins = np.maximum(ts_us[is_value] // MINUTE_US, first_minute) - first_minute
        ends = np.minimum((until[is_value] - 1) // MINUTE_US, last_minute) - first_minute
        pieces = np.maximum(ends - begins + 1, 0)
        which = np.repeat(np.arange(pieces.size), pieces)
        slot = begins[which] + np.arange(which.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        np.minimum.at(low, slot, value[is_value][which])
        np.maximum.at(high, slot, value[is_value][which])
    unknown = np.isinf(low)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
