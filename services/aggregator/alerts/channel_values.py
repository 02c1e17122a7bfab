"""Values of thresholds on channels, from the readings of gauges."""

from __future__ import annotations

from services.aggregator.alerts.value_request import ValueRequest
from services.core.accounting.alerting.measures.channels import ChannelMeasure, WatchedGauge
from services.core.accounting.alerting.measures.values import Values
from services.core.store.readings import series
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
    requests = [
        series.SeriesRequest(
            channel_id=watched.channel_id or 0,
            interval=Interval.through(first - length + 1, last),
            before=1,
        )
        for _, watched, _, length in selected
    ]
    of_each = series.read(series.StoredReadings(request.connection), requests)
    for (row, watched, measure, length), readings in zip(selected, of_each, strict=True):
        rule = request.plan.channels[watched.channel_id or 0]
        values.value[row] = measure.values(
            WatchedGauge(
                ts_us=readings.ts_us,
                value=rule.in_unit(readings.value),
                max_gap_us=rule.max_gap_us,
                first=first,
                last=last,
                window_minutes=length,
                above=watched.spec.above is not None,
                deduction=watched.spec.deduction,
            )
        )
