"""From a channel's readings to a value and a coverage for each minute.

The one way from readings to minutes: the aggregator, explanations and verification all call
:meth:`ChannelRule.minutes`, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from services.core.accounting import gauges, intervals, registers
from services.core.accounting.spreading import spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Which readings around a span of minutes its result depends on."""

    #: microseconds before the first minute and after the last one
    lead_us: int = 0
    trail_us: int = 0
    #: this many readings before and after that
    before: int = 0
    after: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MinuteSeries:
    """One channel over consecutive minutes.

    ``value[i]`` belongs to minute ``first_minute + i``: the time-weighted mean of a gauge, or the
    amount of a counter or interval channel, in the channel's unit. Where ``covered_us`` is 0 a mean
    is NaN and an amount 0, and neither says anything.
    """

    first_minute: int
    value: NDArray[np.float64]
    covered_us: NDArray[np.int64]
    is_rate: bool

    def at(self, minutes: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and covered microseconds of ``minutes``, which must lie inside the series."""
        index = minutes - self.first_minute
        return self.value[index], self.covered_us[index]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelRule:
    """How the readings of one channel become minutes."""

    kind: Literal["counter", "gauge", "interval"]
    unit: str
    max_gap_us: int = 0
    length_us: int = 0
    stamp: Literal["start", "end"] = "start"
    register: registers.RegisterConfig | None = None

    @property
    def context(self) -> Context:
        """The readings that :meth:`minutes` must be given beside those of its own span."""
        if self.kind == "gauge":
            return Context(before=1)
        if self.kind == "interval":
            if self.stamp == "start":
                return Context(lead_us=self.length_us)
            return Context(trail_us=self.length_us)
        return Context(before=registers.LOOK_AROUND + 1, after=registers.LOOK_AROUND + 1)

    @property
    def holds_us(self) -> int:
        """How long after its time a reading still speaks of the minutes that follow."""
        if self.kind == "gauge":
            return self.max_gap_us
        return self.length_us if self.kind == "interval" and self.stamp == "start" else 0

    @property
    def reaches_back_us(self) -> int:
        """How long before its time a reading speaks; a counter's: to the readings before."""
        return self.length_us if self.kind == "interval" and self.stamp == "end" else 0

    def register_steps(
        self, ts_us: NDArray[np.int64], value: NDArray[np.float64]
    ) -> registers.RegisterSteps:
        """A counter's steps, with what was held and what had to be judged; arrays as `minutes`."""
        known = np.isfinite(value)
        assert self.register is not None  # noqa: S101 - a counter always has one
        return registers.steps(ts_us[known], value[known], self.register)

    def minutes(
        self,
        ts_us: NDArray[np.int64],
        value: NDArray[np.float64],
        first_minute: int,
        last_minute: int,
    ) -> MinuteSeries:
        """Compute the minutes ``first_minute`` to ``last_minute``, both included.

        ``ts_us`` ascends without duplicates and holds :attr:`context` beside the span's own
        readings; ``value`` NaN is an explicit gap.
        """
        if self.kind == "gauge":
            mean, covered = gauges.minute_means(
                ts_us, value, self.max_gap_us, first_minute, last_minute
            )
            return MinuteSeries(
                first_minute=first_minute, value=mean, covered_us=covered, is_rate=True
            )
        if self.kind == "interval":
            t0, t1, amount = intervals.steps(ts_us, value, self.length_us, self.stamp)
        else:
            steps = self.register_steps(ts_us, value)
            t0, t1, amount = steps.t0_us, steps.t1_us, steps.amount
        amounts, covered = spread(t0, t1, amount, first_minute, last_minute)
        return MinuteSeries(
            first_minute=first_minute, value=amounts, covered_us=covered, is_rate=False
        )
