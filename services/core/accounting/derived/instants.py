"""A derived channel of gauges, instant by instant: what charts show and thresholds watch.

It has a value at each time at which one of its channels has one, while all of them are known by
their own rules: from its reading until the next one, or for ``max_gap``. Where one is not known it
has a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.derived.minutes import DerivedInput

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

#: A derived value holds until the next one: what ends it is a gap of its own.
NO_GAP_US: Final = 1 << 60


@dataclass(frozen=True, kw_only=True, slots=True)
class GaugeReadings:
    """Readings of a gauge in its unit, ascending; NaN is a gap."""

    ts_us: Integers
    value: Floats
    max_gap_us: int
    #: which of them are uncertain
    uncertain: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivedReadings:
    """What is known of a derived channel; each holds until the next one, NaN is a gap."""

    ts_us: Integers
    value: Floats
    uncertain: NDArray[np.bool_]

    def within(self, begin_us: int, end_us: int) -> DerivedReadings:
        """Return those from an instant on, to another one that is excluded."""
        inside = slice(*np.searchsorted(self.ts_us, (begin_us, end_us)).tolist())
        return DerivedReadings(
            ts_us=self.ts_us[inside], value=self.value[inside], uncertain=self.uncertain[inside]
        )


def derived_readings(
    derived: DerivedInput, channels: Mapping[str, GaugeReadings]
) -> DerivedReadings:
    """Compute a derived channel from the readings of its channels, by ``device.channel``."""
    steps = {name: _steps(channels[name]) for name in derived.channels}
    ts_us = np.unique(np.concatenate([times for times, _, _ in steps.values()]))
    values: dict[str, Floats] = {}
    uncertain = np.zeros(ts_us.size, dtype=np.bool_)
    for name, (times, value, is_uncertain) in steps.items():
        place = np.searchsorted(times, ts_us, side="right")
        # before its first one a channel is not known
        values[name] = np.append(np.nan, value)[place]
        uncertain |= np.append(False, is_uncertain)[place]
    value = np.broadcast_to(np.asarray(derived.value(values), dtype=np.float64), ts_us.shape)
    known = np.isfinite(value)
    # one gap says as much as many, and what was never known has none
    is_step = known | np.append(False, known[:-1])[: known.size]
    return DerivedReadings(
        ts_us=ts_us[is_step],
        value=np.where(known, value, np.nan)[is_step],
        uncertain=(uncertain & known)[is_step],
    )


def _steps(gauge: GaugeReadings) -> tuple[Integers, Floats, NDArray[np.bool_]]:
    """Return a gauge's readings, and a gap where one of them ceases to hold."""
    until = gauge.ts_us + gauge.max_gap_us
    ends = until[np.append(gauge.ts_us[1:], NO_GAP_US)[: until.size] > until]
    ts_us = np.concatenate((gauge.ts_us, ends))
    value = np.concatenate((gauge.value, np.full(ends.size, np.nan)))
    uncertain = np.concatenate((gauge.uncertain, np.zeros(ends.size, dtype=np.bool_)))
    order = np.argsort(ts_us, kind="stable")
    return ts_us[order], value[order], uncertain[order]
