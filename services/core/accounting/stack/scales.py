"""The scale of a monitor: what a reading above its full scale counts as when an hour is closed.

A monitor does not measure beyond its full scale. What it shows there says that there was at least
so much, so going over the scale never makes an hour's emission less than what was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

OVER_SCALE = "20"
"""Method code: 200 % of the full-scale range (40 CFR 75.57, Table 4a)."""

AS_READ = "as-read"
"""tonne's code of an average that holds what was read above full scale, as it was read."""


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Beyond(StrEnum):
    """What a reading above full scale counts as."""

    TWICE = "twice"
    """200 % of the full scale, or what was read if that is more."""
    FULL = "full"
    """The full scale, where the low value is the one that makes more emission."""
    NOTHING = "nothing"
    """No valid data point."""
    READ = "read"
    """What was read; one that was refused, the full scale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The full scale of a channel, in its own unit, and what lies beyond it counts as.

    Where only the range is stated, its end stands for the full scale: what is above it was refused,
    and is told by infinity. `noise`: how far above it a value is taken for rounding. `later` are
    the full scales that take its place, from which instants on, ascending.
    """

    full_scale: float
    beyond: Beyond
    noise: float = 0.0
    later: tuple[tuple[int, float], ...] = ()

    def over(self, value: Floats, ts_us: Ints) -> NDArray[np.bool_]:
        """Return which readings are above full scale."""
        return value > self._in_force(ts_us) + self.noise

    def counted(self, value: Floats, ts_us: Ints) -> Floats:
        """Return readings as they count; NaN stays NaN, and is what no data point becomes."""
        full_scale = self._in_force(ts_us)
        if self.beyond is Beyond.TWICE:
            read = np.where(np.isposinf(value), 0.0, value)
            instead: Floats | float = np.maximum(read, 2 * full_scale)
        elif self.beyond is Beyond.READ:
            instead = np.where(np.isposinf(value), full_scale, value)
        else:
            instead = full_scale if self.beyond is Beyond.FULL else np.nan
        return np.where(self.over(value, ts_us), instead, value)

    def known(self, value: Floats, ts_us: Ints) -> Floats:
        """Return readings as they count, and at least as they were read where that is for nothing.

        A refused one was at least the full scale.
        """
        if self.beyond is not Beyond.NOTHING:
            return self.counted(value, ts_us)
        return np.where(np.isposinf(value), self._in_force(ts_us), value)

    def only_over(self, value: Floats, ts_us: Ints) -> Floats:
        """Return the readings above full scale, NaN in place of the others."""
        return np.where(self.over(value, ts_us), self._in_force(ts_us), np.nan)

    def _in_force(self, ts_us: Ints) -> Floats | float:
        if not self.later:
            return self.full_scale
        starts = np.array([start for start, _ in self.later], dtype=np.int64)
        figures = np.array([self.full_scale, *(figure for _, figure in self.later)])
        in_force: Floats = figures[np.searchsorted(starts, ts_us, side="right")]
        return in_force


def beyond(role: str, *, part75: bool) -> Beyond | None:
    """Return what a reading above full scale of a source's input counts as; None: what it is.

    Under Part 75 it is 200 % of the full scale (40 CFR 75.57, Table 4a; App. A 2.1.4.3 of a flow),
    but not where more makes less emission: of oxygen, and of the temperature of a flow, there is at
    least the full scale; moisture has no code 20 in EPA's checking code and is substituted. Under
    other rules what lies above full scale is no valid data point.
    """
    if role == "pressure":
        return None
    if role == "temperature":
        return Beyond.FULL
    if not part75 or role == "h2o":
        return Beyond.NOTHING
    return Beyond.FULL if role == "o2" else Beyond.TWICE
