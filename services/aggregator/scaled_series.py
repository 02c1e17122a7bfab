"""A source's channels over hours that are closed, with what lies above their full scale."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.scaled_readings import Change, ScaledReadings
from services.core.accounting.series import MinuteSeries
from services.core.accounting.stack.closing import ClosingRule
from services.core.accounting.stack.recording import OverScale
from services.core.accounting.stack.scales import Beyond
from services.core.accounting.worth import BEYOND_MEASURE
from services.core.store.computation import compute
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan, SourcePlan
from services.core.timeline.intervals import Interval

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

    def of_hour(self, hour: int) -> dict[str, MinuteSeries]:
        """Return what counts in an hour since the epoch, by role."""
        return self._by_role(self.counted, hour)

    def over(self, rule: ClosingRule, name: str, hour: int) -> OverScale | None:
        """Return an input's hour with what lies above full scale; None: nothing does."""
        above = self._by_role(self.above, hour)
        minutes = np.arange(hour * 60, hour * 60 + 60, dtype=np.int64)
        times = [
            above[role].values_at(minutes)[1] for role in rule.inputs.roles(name) if role in above
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
    wanted = [Interval(start=hour * 60, end=hour * 60 + 60) for hour in hours]
    scales = {source.inputs[role]: scale for role, scale in rule.scales.items()}
    # what a channel can show, and its unit, are asked of what was sent, before it is doubled
    rules = {
        channel: replace(
            channel_rule, least=-BEYOND_MEASURE, greatest=BEYOND_MEASURE, as_sent=None, later=()
        )
        if channel in scales
        else channel_rule
        for channel, channel_rule in plan.channels.items()
    }
    over = set[int]()

    def series(channels: Collection[int], changes: Mapping[int, Change]) -> _ByChannel:
        def changed(
            channel: int, sent: NDArray[np.float64], ts_us: NDArray[np.int64]
        ) -> NDArray[np.float64]:
            value = plan.channels[channel].shown_or_above(sent, ts_us)
            if scales[channel].over(value, ts_us).any():
                over.add(channel)
            return changes[channel](value, ts_us)

        readings = ScaledReadings(
            StoredReadings(connection), {channel: partial(changed, channel) for channel in changes}
        )
        return compute.series(readings, rules, dict.fromkeys(channels, wanted))

    every = tuple(source.inputs.values())
    counted = known = series(every, {channel: scale.counted for channel, scale in scales.items()})
    above: _ByChannel = {}
    if over:
        above = series(
            frozenset(over), {channel: scales[channel].only_over for channel in frozenset(over)}
        )
    if any(scales[channel].beyond is Beyond.NOTHING for channel in over):
        known = series(every, {channel: scale.known for channel, scale in scales.items()})
    return ScaledSeries(inputs=source.inputs, counted=counted, known=known, above=above)
