"""Compute hours anew from their readings, beside what is stored: nothing of it is kept.

Hours of a source under a rule are judged as closing judges them, which writes; the caller runs in a
transaction that holds the facility and is rolled back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from services.aggregator import close_hours
from services.core.store.computation import compute
from services.core.store.computation.ranges import Ranges
from services.core.store.computation.series_hours import given_hours
from services.core.store.emissions import hour_inputs
from services.core.store.emissions.hour_closing import HourVerdict, biogenic_part
from services.core.store.emissions.minute_changes import SourceMinutes
from services.core.store.emissions.stored_minutes import StoredMinutes
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema.figures import CHECKED, MASSES, names
from services.core.timeline.instants import to_minute
from services.core.timeline.intervals import Interval

#: One hour's figures by name, in the database's integers.
HourFigures = Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongMinutes:
    """Minutes of an hour that are not what their readings give."""

    count: int
    #: since the epoch
    first: int
    #: by their column
    figures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputedHour:
    """What an hour comes to."""

    figures: HourFigures
    #: None: each of them is
    wrong_minutes: WrongMinutes | None = None
    #: None: no rule judges it
    verdict: HourVerdict | None = None
    #: roles of which something else is recorded than was given to the equation
    inputs: tuple[str, ...] = ()


def hours(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source_id: int,
    wanted: Collection[int],
    now: datetime,
    stored: StoredMinutes,
) -> dict[int, ComputedHour]:
    """Compute the ``wanted`` hours (since the epoch) of one source of the plan.

    ``stored``: their minutes as they are stored.
    """
    first, last = min(wanted), max(wanted)
    last_minute = min(last * 60 + 59, to_minute(now))
    if last_minute < first * 60:
        return {}
    ranges = Ranges.from_intervals({source_id: [Interval.through(first * 60, last_minute)]})
    (computed,) = compute.sources(
        StoredReadings(connection), given_hours(connection, plan, ranges), ranges
    )
    figures = _sums(computed, first, last)
    wrong = _wrong_minutes(computed, stored)
    if plan.sources[source_id].closing is None:
        return {
            hour: ComputedHour(figures=figures[hour], wrong_minutes=wrong.get(hour))
            for hour in wanted
        }
    have = hour_inputs.recorded_hours(connection, source_id, first, last)
    recorded = hour_inputs.given(connection, source_id, first, last)
    finalised = close_hours.finalise(connection, plan, {source_id: have}, now) if have else None
    again = hour_inputs.given(connection, source_id, first, last)
    verdicts = {v.hour: v for v in (finalised.verdicts if finalised else ())}
    differing: dict[int, set[str]] = {}
    for hour, role in {*recorded, *again}:
        if recorded.get((hour, role)) != again.get((hour, role)):
            differing.setdefault(hour, set()).add(role)
    return {
        hour: ComputedHour(
            figures=figures[hour]
            if hour not in verdicts or verdicts[hour].code is None
            else _closed(figures[hour], verdicts[hour]),
            wrong_minutes=wrong.get(hour),
            verdict=verdicts.get(hour),
            inputs=tuple(sorted(differing.get(hour, ()))),
        )
        for hour in wanted
    }


def _closed(minutes: HourFigures, verdict: HourVerdict) -> HourFigures:
    """Return the figures of the minutes with what closing adds, which it adds to masses."""
    fossil, biogenic = minutes["co2_ug"], minutes["co2_biogenic_ug"]
    part = 0 if verdict.co2_ug is None else biogenic_part(verdict, fossil, biogenic)
    added = {
        "closing_ug": (verdict.co2_ug or 0) - part - fossil,
        "closing_biogenic_ug": part - biogenic,
    }
    return {
        **minutes,
        **{
            mass.name: minutes[mass.name] + added[mass.closing]
            for mass in MASSES
            if mass.closing is not None
        },
    }


def _wrong_minutes(computed: SourceMinutes, stored: StoredMinutes) -> dict[int, WrongMinutes]:
    """Return what of the computed minutes is stored otherwise, by hour."""
    differs = {
        name: computed.figures[name] != stored.figure(computed.minutes, name)
        for name in names(CHECKED)
    }
    minutes = computed.minutes[np.logical_or.reduce(list(differs.values()))]
    wrong = {}
    for hour in np.unique(minutes // 60).tolist():
        of_hour = minutes[minutes // 60 == hour]
        within = computed.minutes // 60 == hour
        wrong[hour] = WrongMinutes(
            count=of_hour.size,
            first=int(of_hour[0]),
            figures=tuple(name for name, where in differs.items() if where[within].any()),
        )
    return wrong


def _sums(computed: SourceMinutes, first: int, last: int) -> dict[int, HourFigures]:
    row = computed.minutes // 60 - first
    sums = {}
    for name in names(CHECKED):
        sums[name] = np.zeros(last - first + 1, dtype=np.int64)
        np.add.at(sums[name], row, computed.figures[name])
    hours = zip(*(column.tolist() for column in sums.values()), strict=True)
    return {first + i: dict(zip(sums, hour, strict=True)) for i, hour in enumerate(hours)}
