"""How values compare with limits, minute by minute; shapes are (thresholds, minutes) throughout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
CLEAR = 0
#: Beyond neither the limit nor where it is clear: what was, goes on.
BETWEEN = 1
BEYOND = 2

Verdicts = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of thresholds, as arrays of one length."""

    limit: NDArray[np.float64]
    #: where it is over; the limit itself where no hysteresis is stated
    clear: NDArray[np.float64]
    #: False: it is below the limit that is too little
    above: NDArray[np.bool_]
    #: what is known of a value is no more than the value: true of sums of what is emitted
    additive: NDArray[np.bool_]

    def select(self, indices: NDArray[np.int64]) -> Limits:
        """Return the limits of some thresholds."""
        return Limits(
            limit=self.limit[indices],
            clear=self.clear[indices],
            above=self.above[indices],
            additive=self.additive[indices],
        )

    def verdicts(
        self,
        value: NDArray[np.float64],
        incomplete: NDArray[np.bool_] | None = None,
        awaited: NDArray[np.bool_] | None = None,
    ) -> Verdicts:
        """Compare values with the limits; NaN is unknown.

        ``incomplete``: a part of the value is unknown. Then only a sum beyond its upper limit is
        certain: the rest can only add to it. ``awaited``: what is unknown may still come. An alert
        that there is goes on, and none begins.
        """
        limit, clear, above = self.limit[:, None], self.clear[:, None], self.above[:, None]
        beyond = np.where(above, value > limit, value < limit)
        is_clear = np.where(above, value <= clear, value >= clear)
        verdicts = np.where(beyond, BEYOND, np.where(is_clear, CLEAR, BETWEEN)).astype(np.int8)
        unknown = np.isnan(value)
        if incomplete is not None:
            certain = beyond & above & self.additive[:, None]
            unknown = unknown | (incomplete & ~certain)
        without = np.int8(UNKNOWN) if awaited is None else np.where(awaited, BETWEEN, UNKNOWN)
        return np.where(unknown, without, verdicts).astype(np.int8)


def projected_value(
    value: NDArray[np.float64], rate_per_minute: NDArray[np.float64], left: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what a total will be at its window's end at the present rate; NaN where unknown.

    ``left``: whole minutes of the window after each minute. A negative rate counts as zero.
    """
    return value + np.maximum(rate_per_minute, 0.0) * left


def minutes_to_limit(value: float, limit: float, rate_per_minute: float) -> float | None:
    """Return the minutes until a rising total passes its limit at this rate; None: never."""
    if not rate_per_minute > 0:
        return None
    return max(0.0, (limit - value) / rate_per_minute)
