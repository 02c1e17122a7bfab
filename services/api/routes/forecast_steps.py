"""The steps that a forecast continues: whole local days, or hours by the local clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from services.api.http.intervals import DAILY, HOURLY, cut
from services.api.models.source_masses import Floats
from services.api.routes.forecast_reading import Steps
from services.core.store.answers.buckets import Buckets, Integers
from services.core.timeline.instants import HOUR_US, from_us, to_us

#: No year has more days.
_MAX_STEPS = 366


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PastAndLeft:
    """Steps up to the running one, and how much is left of that and of those to come."""

    #: shapes are (sources, steps)
    kg: Floats
    known_ms: Floats
    #: 0: the clock skipped the hour
    step_ms: Floats
    #: the first instant of each step
    begins_us: Integers
    ends: datetime
    weights: Floats


def days(
    steps: Steps, sources: Sequence[int], now: datetime, ends: datetime, zone: str
) -> PastAndLeft:
    """Return the days that are over, and what is left until ``ends``."""
    whole = steps.buckets.ends_us <= to_us(now)
    begins_us, ends_us = steps.buckets.begins_us[whole], steps.buckets.ends_us[whole]
    left = cut(DAILY, now, ends, timezone=zone, limit=_MAX_STEPS)
    return PastAndLeft(
        kg=steps.kg[sources][:, whole],
        known_ms=steps.known_ms[sources][:, whole],
        step_ms=(ends_us - begins_us) / 1000,
        begins_us=begins_us,
        ends=left[0].begins,
        weights=_left(left, now, ends),
    )


def hours(
    steps: Steps, sources: Sequence[int], now: datetime, ends: datetime, zone: str
) -> PastAndLeft:
    """Return hours of the local clock: one that it repeats is the mean of both.

    So an hour of the day is the same on both sides of a change of the clock.
    """
    left = cut(HOURLY, now, ends, timezone=zone, limit=_MAX_STEPS)
    local = _local_hours(steps.buckets, zone)
    local_left = _local_hours(left, zone)
    first, running = int(local[0]) if local.size else int(local_left[0]), int(local_left[0])
    past = local < running
    place = local[past] - first
    count = np.bincount(place, minlength=running - first)

    def means(rows: Floats) -> Floats:
        sums = [np.bincount(place, row[past], minlength=running - first) for row in rows]
        return np.array(sums).reshape(len(sums), -1) / np.maximum(count, 1)

    begins_us = np.zeros(count.size, dtype=np.int64)
    begins_us[place[::-1]] = steps.buckets.begins_us[past][::-1]
    return PastAndLeft(
        kg=means(steps.kg[sources]),
        known_ms=means(steps.known_ms[sources]),
        step_ms=np.where(count > 0, HOUR_US / 1000, 0.0),
        begins_us=begins_us,
        ends=left[0].begins,
        weights=np.asarray(
            np.bincount(local_left - running, _left(left, now, ends)), dtype=np.float64
        ),
    )


def _left(left: Buckets, now: datetime, ends: datetime) -> Floats:
    begins_us = np.maximum(left.begins_us, to_us(now))
    length_us = left.ends_us - left.begins_us
    return np.asarray((np.minimum(left.ends_us, to_us(ends)) - begins_us) / length_us)


def _local_hours(buckets: Buckets, zone: str) -> Integers:
    """Return the number of the local hour that each hour begins in."""
    timezone = ZoneInfo(zone)
    offsets_us = [
        int((from_us(us).astimezone(timezone).utcoffset() or timedelta()).total_seconds() * 1e6)
        for us in buckets.begins_us.tolist()
    ]
    return np.asarray((buckets.begins_us + np.array(offsets_us, dtype=np.int64)) // HOUR_US)
