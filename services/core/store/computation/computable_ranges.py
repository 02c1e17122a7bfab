"""Leave minutes alone whose raw readings are gone: none is computed from a part of its readings."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import psycopg

from services.core.store.computation.compute import AnyPlan
from services.core.store.computation.ranges import Ranges
from services.core.store.readings import retention
from services.core.store.readings.archive import missing
from services.core.store.readings.packing.days import NEVER_PACKED_US
from services.core.timeline.instants import MINUTE_US
from services.core.timeline.intervals import Interval

#: Of minutes that are younger no reading leaves the database: ticks of what is live need not ask.
_NEVER_ARCHIVED_MINUTES: Final = NEVER_PACKED_US // MINUTE_US


def ranges(
    connection: psycopg.Connection[Any],
    plan: AnyPlan,
    of_sources: Ranges,
    *,
    readings_from: int | None = None,
) -> Ranges:
    """Return the part of the ranges of minutes that can be computed.

    ``readings_from``: the first minute from which on no reading was dropped; None: not known.
    """
    if not len(of_sources):
        return of_sources
    firsts: dict[int, int] = {}
    if readings_from is None or of_sources.firsts.min() < readings_from:
        firsts = _first_minutes(connection, plan, of_sources.ids.tolist())
    if firsts:
        first = np.array(
            [firsts.get(source_id, 0) for source_id in of_sources.ids.tolist()], dtype=np.int64
        )
        of_sources = replace(of_sources, firsts=np.maximum(of_sources.firsts, first)).where(
            of_sources.lasts >= first
        )
    if not len(of_sources):
        return of_sources
    away = _archived_away(connection, plan, int(of_sources.firsts.min()))
    return of_sources.without(away) if away else of_sources


def hours(
    connection: psycopg.Connection[Any],
    plan: AnyPlan,
    of_sources: Mapping[int, Collection[int]],
) -> dict[int, set[int]]:
    """Return the hours (since the epoch) that still have all of their readings, by source."""
    if not any(of_sources.values()):
        # most ticks finalise nothing
        return {source_id: set() for source_id in of_sources}
    firsts = _first_minutes(connection, plan, of_sources)
    earliest = min(hour for of_source in of_sources.values() for hour in of_source)
    away = _archived_away(connection, plan, earliest * 60)
    return {
        source_id: {
            hour
            for hour in of_source
            if hour * 60 >= firsts.get(source_id, hour * 60)
            and not _is_away(hour, away.get(source_id, ()))
        }
        for source_id, of_source in of_sources.items()
    }


def archived_hours(
    connection: psycopg.Connection[Any], plan: AnyPlan, source_id: int, hours: Collection[int]
) -> set[int]:
    """Return those of a source's hours that miss readings which only the archive has."""
    if not hours:
        return set()
    away = _archived_away(connection, plan, min(hours) * 60).get(source_id, ())
    return {hour for hour in hours if _is_away(hour, away)}


def _is_away(hour: int, away: Iterable[Interval]) -> bool:
    of_hour = Interval.through(hour * 60, hour * 60 + 59)
    return any(interval.overlaps(of_hour) for interval in away)


def _archived_away(
    connection: psycopg.Connection[Any], plan: AnyPlan, since_minute: int
) -> dict[int, list[Interval]]:
    """Return minutes of sources, from one on, that miss readings which only the archive has."""
    if since_minute >= time.time() // 60 - _NEVER_ARCHIVED_MINUTES:
        return {}
    uncomputed = missing.uncomputed(connection, since_minute)
    if not uncomputed:
        return {}
    away = {
        source_id: [
            interval
            for channel_id in source.inputs.values()
            for interval in uncomputed.get(channel_id, ())
        ]
        for source_id, source in plan.sources.items()
    }
    return {source_id: intervals for source_id, intervals in away.items() if intervals}


def _first_minutes(
    connection: psycopg.Connection[Any], plan: AnyPlan, source_ids: Iterable[int]
) -> dict[int, int]:
    """Return the first minute with all its readings of each source that has lost some."""
    lost = retention.first_minutes(connection)
    if not lost:
        return {}
    minutes = {
        source_id: max(
            (lost[c] for c in plan.sources[source_id].inputs.values() if c in lost), default=None
        )
        for source_id in source_ids
        if source_id in plan.sources
    }
    return {source_id: minute for source_id, minute in minutes.items() if minute is not None}
