"""Interval readings: each value is the amount of one interval of known length.

Demand meters report per 15, 30 or 60 minutes, stamped at the interval's start or at its end.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Stamp = Literal["start", "end"]


def steps(
    ts_us: NDArray[np.int64], value: NDArray[np.float64], length_us: int, stamp: Stamp
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the spans `[t0_us, t1_us)` and amounts for `spreading.spread`.

    `[ts, ts + length)` when stamped at the start, `[ts - length, ts)` when at the end. `ts_us`
    ascends without duplicates. NaN (an explicit gap) makes no step. Where two intervals overlap
    (a device that changes its rhythm) both count whole: their amounts are what the meter says.
    ValueError when `length_us` is not positive.
    """
    if length_us <= 0:
        raise ValueError(f"an interval must have a length above zero, not {length_us} us")
    is_value = np.isfinite(value)
    begin = ts_us[is_value] if stamp == "start" else ts_us[is_value] - length_us
    return begin, begin + length_us, value[is_value]
