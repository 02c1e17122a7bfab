"""Mean temperatures of days out of readings at any instants."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import HOUR_US

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: A reading tells the temperature of so much time before and after it.
_REACH_US: Final = 3 * HOUR_US
#: Of the hours of a day so many are known at least, or its mean is not.
_LEAST: Final = 0.9


def daily_means(ts_us: Integers, value: Floats, begins_us: Integers, ends_us: Integers) -> Floats:
    """Return the mean of each day's temperatures at half past each hour; NaN: it is not known.

    They are interpolated between readings, where one lies within three hours. ``ts_us`` ascends.
    """
    known = ~np.isnan(value)
    ts_us, value = ts_us[known], value[known]
    if not ts_us.size or not begins_us.size:
        return np.full(begins_us.size, np.nan)
    hours = np.arange(int(begins_us[0]) + HOUR_US // 2, int(ends_us[-1]), HOUR_US)
    after = np.clip(np.searchsorted(ts_us, hours), 0, ts_us.size - 1)
    before = np.maximum(after - 1, 0)
    far_us = np.minimum(np.abs(ts_us[after] - hours), np.abs(hours - ts_us[before]))
    is_known = far_us <= _REACH_US
    at_hours = np.interp(hours - ts_us[0], ts_us - ts_us[0], value)
    day = np.searchsorted(begins_us, hours, side="right") - 1
    count = np.bincount(day, minlength=begins_us.size)
    heard = np.bincount(day, is_known, minlength=begins_us.size)
    sums = np.bincount(day, np.where(is_known, at_hours, 0.0), minlength=begins_us.size)
    return np.where(heard >= _LEAST * np.maximum(count, 1), sums / np.maximum(heard, 1), np.nan)
