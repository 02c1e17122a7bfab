"""Hold the hours in force against a second computation from their readings.

Each hour is computed with the configuration and the factor versions that were known when it came
into force. An hour that waits to be computed again is left out, and so is one whose readings are
gone: what they say is not what the hour is made of.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg

from services.aggregator import expand
from services.aggregator.audit import recomputed
from services.aggregator.audit.recomputed import HourFigures
from services.aggregator.invalidations import Invalidations
from services.core.store.emissions import claims, final_hours
from services.core.store.emissions.final_hours import StoredHour, StoredSource
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.plan_as_known import changes, source_as_known
from services.core.timeline.intervals import Interval

#: Hours of a source in one step: the facility's aggregator waits for no longer than this takes.
STEP_HOURS = 14 * 24

#: A tick may take seconds after an outage.
_PATIENCE_S = 120.0


class BusyError(RuntimeError):
    """Another process kept the facility for too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """An hour that is not what its readings come to; masses in micrograms."""

    facility: str
    source: str
    source_name: str
    hour: datetime
    #: None: there is no such hour, though readings make one
    stored_ug: int | None
    recomputed_ug: int
    #: the figures that differ
    figures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What one step came to, in hours."""

    checked: int
    #: about to be computed again
    waiting: int
    #: their readings are gone, or are not those that they were made of
    unknown: int
    differences: tuple[Difference, ...]


@contextmanager
def rolled_back(connection: psycopg.Connection[Any], facility_id: int) -> Iterator[None]:
    """Open a transaction that holds the facility and leaves nothing behind."""
    patience = time.monotonic() + _PATIENCE_S
    while True:
        with connection.transaction(force_rollback=True):
            if claims.lock(connection, facility_id):
                yield
                return
        if time.monotonic() > patience:
            raise BusyError("the facility is being computed; try again when that is done")
        time.sleep(0.05)


def step(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
    now: datetime,
) -> Step:
    """Check the final hours of a source from ``first`` to ``last``, both included."""
    with rolled_back(connection, source.facility_id):
        stored = {h.hour: h for h in final_hours.stored(connection, source.source_id, first, last)}
        computed: dict[int, HourFigures] = {}
        cuts = changes(connection, source.facility_id, source.source_id)
        eras: dict[int, list[int]] = {}
        for hour in range(first, last + 1):
            known_at = stored[hour].known_at if hour in stored else now
            eras.setdefault(bisect_right(cuts, known_at), []).append(hour)
        for hours in eras.values():
            as_of = max(stored[h].known_at if h in stored else now for h in hours)
            then = _plan_as_known(connection, plan, source, as_of)
            with connection.transaction(force_rollback=True):
                computed |= recomputed.hours(connection, then, source.source_id, hours, now)
        # last, for readings may have arrived meanwhile
        present = _plan_as_known(connection, plan, source, now)
        waiting = _waiting(connection, present, source, first, last, now)
        unknown = _unknown(connection, present, source, first, last) - waiting
    checked = {
        h for h in computed if h not in waiting | unknown and (h not in stored or stored[h].final)
    }
    finals = {h for h, hour in stored.items() if hour.final}
    return Step(
        checked=len(checked & finals),
        waiting=len(finals & waiting),
        unknown=len(finals & unknown),
        differences=tuple(differences(source, stored, {h: computed[h] for h in sorted(checked)})),
    )


def differences(
    source: StoredSource, stored: dict[int, StoredHour], computed: dict[int, HourFigures]
) -> Iterator[Difference]:
    """Hours of ``computed`` that differ from what is stored."""
    for hour, figures in computed.items():
        have = stored.get(hour)
        if have is None and figures["covered_ms"] == 0:
            continue
        names = tuple(
            name for name in figures if have is None or have.figures[name] != figures[name]
        )
        if names:
            yield Difference(
                facility=source.facility,
                source=source.source,
                source_name=source.source_name,
                hour=datetime.fromtimestamp(hour * 3600, UTC),
                stored_ug=None if have is None else have.figures["co2_ug"],
                recomputed_ug=figures["co2_ug"],
                figures=names,
            )


def steps(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Split the hours ``first .. last`` into steps, both ends included."""
    for begin in range(first, last + 1, STEP_HOURS):
        yield begin, min(last, begin + STEP_HOURS - 1)


def _plan_as_known(
    connection: psycopg.Connection[Any], plan: FacilityPlan, source: StoredSource, as_of: datetime
) -> FacilityPlan:
    known = source_as_known(
        connection,
        facility_id=source.facility_id,
        timezone=source.timezone,
        source_id=source.source_id,
        slug=source.source,
        as_of=as_of,
    )
    return replace(
        plan,
        sources={source.source_id: known.source},
        channels=known.channels,
        fed_by=dict.fromkeys(known.channels, (source.source_id,)),
    )


def _waiting(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
    now: datetime,
) -> set[int]:
    intervals = final_hours.queued(connection, source.source_id)
    invalidated = final_hours.invalidated_minutes(
        connection, source.facility_id, list(plan.channels)
    )
    if invalidated and (source.retired_hour is None or plan.retirement is not None):
        minute = int(now.timestamp()) // 60
        affected = expand.affected(
            StoredReadings(connection), plan, Invalidations.whole(invalidated), minute
        )
        intervals += affected.by_id().get(source.source_id, [])
    return _hours(intervals, first, last)


def _unknown(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
) -> set[int]:
    channel_ids: Sequence[int] = list(plan.channels)
    unknown: set[int] = set()
    horizon = final_hours.horizon(connection, channel_ids)
    if horizon is not None:
        unknown |= set(range(first, min(last, horizon) + 1))
    if source.retired_hour is not None:
        unknown |= set(range(max(first, source.retired_hour), last + 1))
        for hour in final_hours.after_retirement(
            connection, source.source_id, channel_ids, first, last
        ):
            unknown |= set(range(max(first, hour - 24), min(last, hour + 24) + 1))
    return unknown


def _hours(intervals: Sequence[Interval], first: int, last: int) -> set[int]:
    wanted = Interval(start=first * 60, end=(last + 1) * 60)
    return {hour for interval in intervals for hour in interval.within(wanted).hours}
