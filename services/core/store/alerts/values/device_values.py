"""Values of thresholds on devices, from when they sent readings and what is in quarantine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.alerting.measures.devices import ArrivalMeasure, RefusalMeasure
from services.core.accounting.alerting.measures.values import Values
from services.core.store.alerts import watch_series
from services.core.store.alerts.values.value_request import ValueRequest


def fill_arrivals(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of a device's newest reading.

    A device that never sent any counts as if it had when its threshold came into force.
    """
    plan = request.plan
    selected = [
        (row, watched, measure)
        for measure, members in request.thresholds.items()
        if isinstance(measure, ArrivalMeasure)
        for row, watched in members
    ]
    if not selected:
        return
    begins = {
        threshold.id: int(begin)
        for threshold, begin in zip(plan.thresholds, plan.begins, strict=True)
    }
    newest = watch_series.newest_readings(
        request.connection,
        [plan.devices.get(watched.device_id or 0, ()) for _, watched, _ in selected],
        request.first,
        request.last,
    )
    minutes = np.arange(request.first, request.last + 1)
    for (row, watched, measure), of_device in zip(selected, newest, strict=True):
        newest_minute = np.where(of_device < 0, begins[watched.id], of_device)
        values.value[row] = measure.values(minutes, newest_minute)


def fill_refusals(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of what is in quarantine."""
    first, last = request.first, request.last
    selected = [
        (row, watched, measure, measure.window_minutes(watched.spec.window))
        for measure, members in request.thresholds.items()
        if isinstance(measure, RefusalMeasure)
        for row, watched in members
    ]
    if not selected:
        return
    low = first - max(length for _, _, _, length in selected)
    entries = watch_series.quarantined(request.connection, request.facility_id, low)
    counts: dict[str | None, NDArray[np.int64]] = {}
    for device, minute, count in entries:
        for key in (None, device):
            of_device = counts.setdefault(key, np.zeros(last - low + 2, dtype=np.int64))
            of_device[min(minute, last) - low + 1] += count
    ends = np.arange(first, last + 1) - low + 1
    nothing = np.zeros(last - low + 2, dtype=np.int64)
    for row, watched, measure, length in selected:
        sums = counts.get(watched.spec.device, nothing).cumsum()
        values.value[row] = measure.values(sums, ends, length)
