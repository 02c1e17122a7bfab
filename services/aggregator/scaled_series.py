"""A source's channels over hours that are closed, with what lies above their full scale."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.scaled_readings import Change, minutes_of_hours
from services.core.accounting.series import MinuteSeries
from services.core.accounting.stack.closing import ClosingRule
from services.core.accounting.stack.recording import OverScale
from services.core.accounting.stack.scales import Beyond
from services.core.store.computation import compute
from services.core.store.registry.plan import FacilityPlan, SourcePlan
from services.core.timeline.instants import HOUR_US

_ByChannel = Mapping[int, list[MinuteSeries]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaledSeries:
    """Minutes of a source's channels, by channel id."""

    inputs: Mapping[str, int]
    #: with readings above full scale as they count
    counted: _ByChannel
    #: as `counted`, but what counts for nothing as it was read
    known: _ByChannel
    #: the readings above full scale alone; empty: there are none
    above: _ByChannel
    #: the hours since the epoch that have such a reading of their own, by channel
    over_hours: Mapping[int, Set[int]]

    def of_hour(self, hour: int) -> dict[str, MinuteSeries]:
        """Return what counts in an hour since the epoch, by role."""
        return self._by_role(self.counted, hour)

    def over(self, rule: ClosingRule, name: str, hour: int) -> OverScale | None:
        """Return an input's hour with what lies above full scale; None: nothing was read there.

        What an hour only holds from the one before was not read in it.
        """
        above = self._by_role(self.above, hour)
        minutes = np.arange(hour * 60, hour * 60 + 60, dtype=np.int64)
        times = [
            above[role].values_at(minutes)[1]
            for role in rule.inputs.roles(name)
            if role in above and hour in self.over_hours[self.inputs[role]]
        ]
        if not any(time.any() for time in times):
            return None
        value, covered_us = rule.inputs.values_at(name, self._by_role(self.known, hour), minutes)
        return OverScale(value=value, covered_us=covered_us, over_us=np.maximum.reduce(times))

    def _by_role(self, series: _ByChannel, hour: int) -> dict[str, MinuteSeries]:
        return {
            role: compute.containing(series[channel_id], hour * 60)
            for role, channel_id in self.inputs.items()
            if channel_id in series
        }


def read(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    rule: ClosingRule,
    hours: Collection[int],
) -> ScaledSeries:
    """Read the minutes of hours since the epoch of all channels of a source."""
    scales = {source.inputs[role]: scale for role, scale in rule.scales.items()}
    over: dict[int, set[int]] = {}

    def series(channels: Collection[int], changes: Mapping[int, Change]) -> _ByChannel:
        def noting(
            channel: int, value: NDArray[np.float64], ts_us: NDArray[np.int64]
        ) -> NDArray[np.float64]:
            over_us = ts_us[scales[channel].over(value, ts_us)]
            if over_us.size:
                over.setdefault(channel, set()).update((over_us // HOUR_US).tolist())
            return changes[channel](value, ts_us)

        noted = {channel: partial(noting, channel) for channel in changes}
        return minutes_of_hours(connection, plan, channels, noted, hours)

    every = tuple(source.inputs.values())
    counted = known = series(every, {channel: scale.counted for channel, scale in scales.items()})
    above: _ByChannel = {}
    if over:
        above = series(
            frozenset(over), {channel: scales[channel].only_over for channel in frozenset(over)}
        )
    if any(scales[channel].beyond is Beyond.NOTHING for channel in over):
        known = series(every, {channel: scale.known for channel, scale in scales.items()})
    return ScaledSeries(
        inputs=source.inputs, counted=counted, known=known, above=above, over_hours=over
    )
