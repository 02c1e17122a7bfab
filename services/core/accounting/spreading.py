"""Spreading: an amount known over a span of time becomes amounts of the minutes it lies in.

Between two readings of a register nothing says when the energy flowed, so it is taken as even.
Minutes are counted from the epoch (UTC); times are integer microseconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import MINUTE_US


def spread(
    t0_us: NDArray[np.int64],
    t1_us: NDArray[np.int64],
    amount: NDArray[np.float64],
    first_minute: int,
    last_minute: int,
    owner: NDArray[np.int64] | None = None,
    owners: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Compute amount and covered microseconds of minutes `first_minute` to `last_minute`.

    With `owner`, the number below `owners` of the register that each step belongs to, the answer
    holds the minutes of the first register, then those of the second, and so on; a register's are
    the same, to the bit, as alone.

    `t0_us`, `t1_us` (t0 <= t1) and `amount` describe the steps; what lies outside the minutes
    asked for is cut off. A step without length lands whole in the minute it stands in and covers
    nothing. Over all minutes of a step its parts add up to its amount to float precision. Covered
    time is the sum of the steps' spans, at most a minute: steps of one register never overlap.
    """
    count = last_minute - first_minute + 1
    if count <= 0:
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    amounts = np.zeros(count * owners)
    covered = np.zeros(count * owners, dtype=np.int64)
    first = t0_us // MINUTE_US
    # The end is exclusive: a step that ends on a minute's boundary does not touch that minute.
    last = np.maximum((t1_us - 1) // MINUTE_US, first)
    low = np.maximum(first, first_minute)
    high = np.minimum(last, last_minute)
    pieces = np.maximum(high - low + 1, 0)
    total = int(pieces.sum())
    if total == 0:
        return amounts, covered
    step = np.repeat(np.arange(t0_us.size), pieces)
    nth = np.arange(total) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    minute = low[step] + nth
    begin = np.maximum(t0_us[step], minute * MINUTE_US)
    end = np.minimum(t1_us[step], (minute + 1) * MINUTE_US)
    length = end - begin
    duration_us = (t1_us - t0_us)[step]
    share = np.where(duration_us > 0, length / np.maximum(duration_us, 1), 1.0)
    slot = minute - first_minute
    if owner is not None:
        slot += owner[step] * count
    np.add.at(amounts, slot, amount[step] * share)
    np.add.at(covered, slot, length)
    return amounts, np.minimum(covered, MINUTE_US)
