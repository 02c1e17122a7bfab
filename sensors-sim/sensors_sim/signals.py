"""What a stack's instruments show: smooth wandering signals, each a function of seed and time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sensors_sim.noise import Noise
from sensors_sim.registers import DAY_MS

_SLOW_MS = 1_800_000
_FAST_MS = 90_000


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A quantity that wanders round its mean and never leaves its limits."""

    noise: Noise
    mean: float
    #: Half the swing over the day, peaking at 13:00 UTC.
    daily: float
    #: Size of the wandering over half an hour.
    slow: float
    #: Size of the wandering over a minute and a half.
    fast: float
    low: float
    high: float
    decimals: int

    def value(self, ts_ms: int) -> float:
        """Return what the instrument shows at an instant."""
        phase = 2.0 * math.pi * (ts_ms % DAY_MS - 13 * 3_600_000) / DAY_MS
        value = (
            self.mean
            + self.daily * math.cos(phase)
            + self.slow * self.noise.smooth(ts_ms, _SLOW_MS)
            + self.fast * self.noise.smooth(-ts_ms, _FAST_MS)
        )
        return round(min(max(value, self.low), self.high), self.decimals)
