"""Events: an amount at an instant, such as a delivery, a refrigerant charge, a trip or a batch.

Nothing happens between two events, so silence says nothing: from the instant on from which the log
is complete, every minute without an event is known to be zero. An event of which the amount is not
known makes its minute unknown, and no other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.core.timeline.instants import MINUTE_US


def minute_amounts(
    ts_us: NDArray[np.int64],
    value: NDArray[np.float64],
    since_us: int,
    first_minute: int,
    last_minute: int,
    owner: NDArray[np.int64],
    owners: int,
    uncertain: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Compute amount, covered and estimated microseconds of minutes, of several logs at once.

    ``owner`` is the ascending number below ``owners`` of the log that each event belongs to; the
    answers hold the minutes of the first log, then those of the second, and so on. ``value`` NaN is
    an event of unknown amount. What lies before ``since_us`` or outside the minutes is left out.
    """
    count = last_minute - first_minute + 1
    begins_us = np.arange(first_minute, last_minute + 1) * MINUTE_US
    covered = np.tile(np.clip(begins_us + MINUTE_US - since_us, 0, MINUTE_US), owners)
    amount = np.zeros(count * owners)
    estimated = np.zeros(count * owners, dtype=np.int64)
    minute = ts_us // MINUTE_US
    inside = (minute >= first_minute) & (minute <= last_minute) & (ts_us >= since_us)
    slot = owner * count + minute - first_minute
    is_known = np.isfinite(value)
    np.add.at(amount, slot[inside & is_known], value[inside & is_known])
    covered[slot[inside & ~is_known]] = 0
    amount[covered == 0] = 0.0
    if uncertain is not None:
        guessed = slot[inside & uncertain]
        estimated[guessed] = covered[guessed]
    return amount, covered, estimated
