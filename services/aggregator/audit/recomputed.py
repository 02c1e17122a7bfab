"""Compute hours anew from their readings, beside what is stored: nothing of it is kept.

Hours of a source under a rule are judged as closing judges them, which writes; the caller runs in a
transaction that holds the facility and is rolled back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from services.aggregator import close_hours
from services.core.store.computation import compute
from services.core.store.computation.ranges import Ranges
from services.core.store.emissions import hour_inputs
from services.core.store.emissions.minute_changes import SourceMinutes
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema.figures import CHECKED, MASSES, names
from services.core.timeline.instants import to_minute
from services.core.timeline.intervals import Interval

#: One hour's figures by name, in the database's integers.
HourFigures = Mapping[str, int]


def hours(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source_id: int,
    wanted: Collection[int],
    now: datetime,
) -> dict[int, HourFigures]:
    """Figures of the ``wanted`` hours (since the epoch) of one source of the plan."""
    first, last = min(wanted), max(wanted)
    last_minute = min(last * 60 + 59, to_minute(now))
    if last_minute < first * 60:
        return {}
    (computed,) = compute.sources(
        StoredReadings(connection),
        plan,
        Ranges.from_intervals({source_id: [Interval.through(first * 60, last_minute)]}),
    )
    figures = _sums(computed, first, last)
    if plan.sources[source_id].closing is not None:
        have = hour_inputs.recorded_hours(connection, source_id, first, last)
        finalised = close_hours.finalise(connection, plan, {source_id: have}, now) if have else None
        for verdict in finalised.verdicts if finalised else ():
            if verdict.code is not None and verdict.hour in figures:
                figures[verdict.hour] = _closed(figures[verdict.hour], verdict.co2_ug or 0)
    return {hour: figures[hour] for hour in wanted}


def _closed(minutes: HourFigures, co2_ug: int) -> HourFigures:
    """Return the figures of the minutes with what closing adds, which it adds to masses."""
    added = co2_ug - minutes["co2_ug"]
    return {**minutes, **{m.name: minutes[m.name] + added * m.closing_adds for m in MASSES}}


def _sums(computed: SourceMinutes, first: int, last: int) -> dict[int, HourFigures]:
    row = computed.minutes // 60 - first
    sums = {}
    for name in names(CHECKED):
        sums[name] = np.zeros(last - first + 1, dtype=np.int64)
        np.add.at(sums[name], row, computed.figures[name])
    hours = zip(*(column.tolist() for column in sums.values()), strict=True)
    return {first + i: dict(zip(sums, hour, strict=True)) for i, hour in enumerate(hours)}
