"""Values of thresholds on channels, from the readings of gauges or what is derived from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.core.accounting.alerting.measures.channels import ChannelMeasure, WatchedGauge
from services.core.accounting.alerting.measures.values import Values
from services.core.accounting.derived.instants import (
    NO_GAP_US,
    DerivedReadings,
    GaugeReadings,
    derived_readings,
)
from services.core.accounting.series import ChannelRule
from services.core.store.alerts.values.value_request import ValueRequest
from services.core.store.readings import series
from services.core.store.readings.series_arrays import Readings, SeriesRequest
from services.core.store.registry.watch_plan import Watched
from services.core.timeline.intervals import Interval


def fill(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of channels, each in its channel's unit."""
    first, last = request.first, request.last
    selected = [
        (row, watched, measure, measure.window_minutes(watched.spec.window))
        for measure, members in request.thresholds.items()
        if isinstance(measure, ChannelMeasure)
        for row, watched in members
    ]
    if not selected:
        return
    wanted = [
        (channel_id, Interval.through(first - length + 1, last))
        for _, watched, _, length in selected
        for channel_id in _channels(watched)
    ]
    read = iter(
        series.read(
            series.StoredReadings(request.connection),
            [
                SeriesRequest(channel_id=channel_id, interval=interval, before=1)
                for channel_id, interval in wanted
            ],
        )
    )
    for row, watched, measure, length in selected:
        rules = [request.plan.channels[channel_id] for channel_id in _channels(watched)]
        readings = _readings(watched, rules, [next(read) for _ in rules])
        values.value[row] = measure.values(
            WatchedGauge(
                ts_us=readings.ts_us,
                value=readings.value,
                max_gap_us=rules[0].max_gap_us if watched.derived is None else NO_GAP_US,
                first=first,
                last=last,
                window_minutes=length,
                above=watched.spec.above is not None,
                deduction=watched.spec.deduction,
            )
        )


def _channels(watched: Watched) -> tuple[int, ...]:
    if watched.derived is None:
        return (watched.channel_id or 0,)
    return tuple(watched.derived.channels.values())


def _readings(
    watched: Watched, rules: Sequence[ChannelRule], read: Sequence[Readings]
) -> GaugeReadings | DerivedReadings:
    """Return what is watched, in its unit; what is not finite is a gap."""
    gauges = [
        GaugeReadings(
            ts_us=readings.ts_us,
            value=rule.in_unit(
                readings.value
                if watched.derived is None
                else np.where(rule.shows(readings.value, readings.ts_us), readings.value, np.nan),
                readings.ts_us,
            ),
            max_gap_us=rule.max_gap_us,
            uncertain=np.zeros(readings.ts_us.size, dtype=np.bool_),
        )
        for rule, readings in zip(rules, read, strict=True)
    ]
    if watched.derived is None:
        return gauges[0]
    return derived_readings(
        watched.derived.derived, dict(zip(watched.derived.channels, gauges, strict=True))
    )
