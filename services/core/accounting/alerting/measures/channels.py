"""Measures of what a gauge reads."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from services.core.accounting.alerting.measures.measure import SHORT, Measure, Subject
from services.core.accounting.alerting.measures.values import Floats, Integers
from services.core.accounting.gauges import minute_extremes, minute_means
from services.core.timeline.windows import rolling_minutes


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedGauge:
    """A gauge from minute ``first`` to ``last``, both included, and what is watched of it."""

    #: readings, ascending, from the one that holds when the first window begins
    ts_us: Integers
    value: Floats
    max_gap_us: int
    first: int
    last: int
    #: length of the window that each minute ends
    window_minutes: int
    #: too much is watched for, not too little
    above: bool
    #: taken off each value, down to 0, as the confidence interval of the measurement
    deduction: float = 0.0


class ChannelMeasure(Measure):
    """A measure whose values follow from the readings of one gauge; NaN: nothing holds."""

    unit = None
    unit_text = "the channel's"
    subjects: ClassVar[frozenset[Subject]] = frozenset({"channel"})
    facility_wide = False

    def window_minutes(self, window: str | None) -> int:
        """Return the length of the window that each minute ends."""
        return 1 if window is None else rolling_minutes(window) or 1

    def values(self, gauge: WatchedGauge) -> Floats:
        """Return the value in each minute, validated where there is a deduction.

        The validated average is what the interval is taken off (Directive 2010/75/EU, Annex V
        part 3 and Annex VI part 6), not each reading: those near zero would weigh less.
        """
        measured = self.measured(gauge)
        return np.maximum(measured - gauge.deduction, 0.0) if gauge.deduction else measured

    @abstractmethod
    def measured(self, gauge: WatchedGauge) -> Floats:
        """Return what the gauge measured in each minute."""


class Value(ChannelMeasure):
    """The value that holds, at its farthest towards the limit in the minute.

    So no reading that comes later in the minute can take it back.
    """

    name = "value"

    def measured(self, gauge: WatchedGauge) -> Floats:
        """Return the highest or the lowest value that held."""
        low, high = minute_extremes(
            gauge.ts_us, gauge.value, gauge.max_gap_us, gauge.first, gauge.last
        )
        return high if gauge.above else low


class Average(ChannelMeasure):
    """The mean over a window, weighted by time."""

    name = "average"
    windows = SHORT

    def measured(self, gauge: WatchedGauge) -> Floats:
        """Return the mean of what is covered of each window."""
        length = gauge.window_minutes
        mean, covered = minute_means(
            gauge.ts_us, gauge.value, gauge.max_gap_us, gauge.first - length + 1, gauge.last
        )
        weighted = np.concatenate(([0.0], np.cumsum(np.nan_to_num(mean) * covered)))
        weight = np.concatenate(([0], np.cumsum(covered)))
        amount, time = weighted[length:] - weighted[:-length], weight[length:] - weight[:-length]
        return np.where(time > 0, amount / np.maximum(time, 1), np.nan)


MEASURES: Final = (Value(), Average())
