"""Leave minutes alone whose raw readings are gone: none is computed from a part of its readings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import psycopg

from services.aggregator.expand import Range
from services.core.store import retention
from services.core.store.registry.plan import FacilityPlan


def ranges(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    of_sources: Mapping[int, list[Range]],
) -> dict[int, list[Range]]:
    """What of the ranges of minutes can be computed, by source."""
    firsts = _first_minutes(connection, plan, of_sources)
    kept = {
        source_id: [
            (max(first, firsts.get(source_id, first)), last)
            for first, last in of_source
            if last >= firsts.get(source_id, first)
        ]
        for source_id, of_source in of_sources.items()
    }
    return {source_id: of_source for source_id, of_source in kept.items() if of_source}


def hours(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    of_sources: Mapping[int, Collection[int]],
) -> dict[int, set[int]]:
    """What of the hours (since the epoch) can be judged from all of their readings, by source."""
    firsts = _first_minutes(connection, plan, of_sources)
    return {
        source_id: {hour for hour in of_source if hour * 60 >= firsts.get(source_id, hour * 60)}
        for source_id, of_source in of_sources.items()
    }


def _first_minutes(
    connection: psycopg.Connection[Any], plan: FacilityPlan, source_ids: Iterable[int]
) -> dict[int, int]:
    return retention.first_minutes(
        connection,
        {
            source_id: list(plan.sources[source_id].inputs.values())
            for source_id in source_ids
            if source_id in plan.sources
        },
    )
