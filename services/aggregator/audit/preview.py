"""What computing hours again would change: the steps that change them, taken and rolled back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from services.aggregator import close_hours, hour_points
from services.aggregator.audit.hold import rolled_back
from services.core.store.computation import computable_ranges, compute
from services.core.store.computation.ranges import Ranges
from services.core.store.computation.series_hours import given_hours
from services.core.store.emissions import deferred_minutes, final_hours, minutes_and_hours
from services.core.store.emissions.final_hours import StoredSource
from services.core.store.emissions.packing import days as minute_days
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import to_minute
from services.core.timeline.intervals import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class HourChange:
    """An hour whose CO2 would change; masses in micrograms."""

    source: str
    source_name: str
    hour: datetime
    #: None: there is no such hour yet
    old_ug: int | None
    new_ug: int


def step(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
    now: datetime,
) -> list[HourChange]:
    """Preview what computing the hours ``first .. last`` (since the epoch, inclusive) changes.

    Hours beyond them whose substitutes follow are among it.
    """
    last_minute = min(last * 60 + 59, to_minute(now))
    if last_minute < first * 60:
        return []
    source_id = source.source_id
    with rolled_back(connection, source.facility_id):
        ranges = computable_ranges.ranges(
            connection,
            plan,
            Ranges.from_intervals({source_id: [Interval.through(first * 60, last_minute)]}),
        )
        if not len(ranges):
            return []
        minute_days.open_ranges(connection, ranges.ids, ranges.firsts, ranges.lasts)
        deferred_minutes.settle(connection, plan.id, ranges.by_id())
        computed = compute.sources(
            StoredReadings(connection), given_hours(connection, plan, ranges), ranges
        )
        changes = minutes_and_hours.record(connection, computed, plan=plan)
        hours = hour_points.with_learning_hours(plan, changes.hours())
        again = close_hours.recorded_again(connection, hours, {source_id: (first, last)})
        finalised = close_hours.finalise(connection, plan, again, now)
        columns = changes.plus(finalised.adjustments).columns
        added: Counter[int] = Counter()
        for minute, co2_ug in zip(
            columns["minutes"].tolist(), columns["co2_ug"].tolist(), strict=True
        ):
            added[minute // 60] += co2_ug
        changed = sorted(hour for hour, co2_ug in added.items() if co2_ug)
        if not changed:
            return []
        stored = {
            hour.hour: hour.figures["co2_ug"]
            for hour in final_hours.stored(connection, source_id, changed[0], changed[-1])
        }
    return [
        HourChange(
            source=source.source,
            source_name=source.source_name,
            hour=datetime.fromtimestamp(hour * 3600, UTC),
            old_ug=stored.get(hour),
            new_ug=stored.get(hour, 0) + added[hour],
        )
        for hour in changed
    ]
