"""Readings as they count beside the full scale of their monitors, while hours are closed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.series import MinuteSeries
from services.core.accounting.worth import BEYOND_MEASURE
from services.core.store.computation import compute
from services.core.store.readings.series import StoredReadings
from services.core.store.readings.series_arrays import Series, SeriesRequests
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.intervals import Interval

#: What becomes of a channel's values, by their times in microseconds.
Change = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


class ScaledReadings:
    """Stored readings, the values of some channels changed."""

    def __init__(self, stored: StoredReadings, changes: Mapping[int, Change]) -> None:
        """Take what becomes of values, by channel id."""
        self._stored = stored
        self._changes = changes

    def read(self, requests: SeriesRequests) -> Series:
        """Read as :meth:`StoredReadings.read` does, and change what is to be changed."""
        series = self._stored.read(requests)
        if not self._changes:
            return series
        value = series.value.copy()
        for i, channel_id in enumerate(requests.channels.tolist()):
            if channel_id in self._changes:
                rows = slice(series.bounds[i], series.bounds[i + 1])
                value[rows] = self._changes[channel_id](series.value[rows], series.ts_us[rows])
        return replace(series, value=value)


def minutes_of_hours(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    channels: Collection[int],
    changes: Mapping[int, Change],
    hours: Collection[int],
) -> dict[int, list[MinuteSeries]]:
    """Compute the minutes of hours since the epoch of channels, by channel.

    ``changes``: what becomes of readings in the unit of their channel, in which infinity stands for
    one that was refused because it was above the range.
    """
    # what a channel can show, and its unit, are asked of what was sent, before it is changed
    rules = {
        channel: replace(
            rule, least=-BEYOND_MEASURE, greatest=BEYOND_MEASURE, as_sent=None, later=()
        )
        if channel in changes
        else rule
        for channel, rule in plan.channels.items()
    }

    def changed(
        channel: int, sent: NDArray[np.float64], ts_us: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        return changes[channel](plan.channels[channel].shown_or_above(sent, ts_us), ts_us)

    readings = ScaledReadings(
        StoredReadings(connection), {channel: partial(changed, channel) for channel in changes}
    )
    wanted = [Interval(start=hour * 60, end=hour * 60 + 60) for hour in hours]
    return compute.series(readings, rules, dict.fromkeys(channels, wanted))
