"""Readings as they count beside the full scale of their monitors, while hours are closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.core.store.readings.series import Series, SeriesRequests, StoredReadings

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
