"""What thresholds on devices watch: how long one has been silent, and what of it is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.alerts import watch_series
from services.core.store.registry.watch_plan import Watched, WatchPlan
from services.core.timeline.windows import rolling_minutes

Floats = NDArray[np.float64]


def silence(
    connection: psycopg.Connection[Any],
    plan: WatchPlan,
    watched: Sequence[tuple[int, Watched]],
    first: int,
    last: int,
) -> Iterator[tuple[int, Floats]]:
    """Seconds, in whole minutes, since each device's newest reading by the time of its readings.

    Of a device that never spoke: since the threshold came into force.
    """
    if not watched:
        return
    begins = {each.id: int(begin) for each, begin in zip(plan.thresholds, plan.begins, strict=True)}
    newest = watch_series.spoke(
        connection, [plan.devices.get(each.device_id or 0, ()) for _, each in watched], first, last
    )
    minutes = np.arange(first, last + 1)
    for (row, each), of_device in zip(watched, newest, strict=True):
        spoke = np.where(of_device < 0, begins[each.id], of_device)
        yield row, np.maximum(minutes - spoke, 0) * 60.0


def quarantined(
    connection: psycopg.Connection[Any],
    facility_id: int,
    watched: Sequence[tuple[int, Watched]],
    first: int,
    last: int,
) -> Iterator[tuple[int, Floats]]:
    """How many messages that wait in quarantine now came in the window of each minute."""
    if not watched:
        return
    lengths = [rolling_minutes(each.spec.window or "1h") or 60 for _, each in watched]
    low = first - max(lengths)
    entries = watch_series.quarantined(connection, facility_id, low)
    of_device: dict[str | None, NDArray[np.int64]] = {}
    for device, minute, count in entries:
        for key in (None, device):
            counts = of_device.setdefault(key, np.zeros(last - low + 2, dtype=np.int64))
            counts[min(minute, last) - low + 1] += count
    at = np.arange(first, last + 1) - low + 1
    nothing = np.zeros(last - low + 2, dtype=np.int64)
    for (row, each), length in zip(watched, lengths, strict=True):
        sums = of_device.get(each.spec.device, nothing).cumsum()
        yield row, (sums[at] - sums[at - length]).astype(np.float64)
