"""Leave minutes alone whose raw readings are gone: none is computed from a part of its readings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import psycopg

from services.core.store.computation.compute import AnyPlan
from services.core.store.computation.ranges import Ranges
from services.core.store.readings import retention


def ranges(connection: psycopg.Connection[Any], plan: AnyPlan, of_sources: Ranges) -> Ranges:
    """Return the part of the ranges of minutes that can be computed."""
    firsts = _first_minutes(connection, plan, of_sources.ids.tolist())
    if not firsts:
        return of_sources
    first = np.array(
        [firsts.get(source_id, 0) for source_id in of_sources.ids.tolist()], dtype=np.int64
    )
    return replace(of_sources, firsts=np.maximum(of_sources.firsts, first)).where(
        of_sources.lasts >= first
    )


def hours(
    connection: psycopg.Connection[Any],
    plan: AnyPlan,
    of_sources: Mapping[int, Collection[int]],
) -> dict[int, set[int]]:
    """Return the hours (since the epoch) that still have all of their readings, by source."""
    firsts = _first_minutes(connection, plan, of_sources)
    return {
        source_id: {hour for hour in of_source if hour * 60 >= firsts.get(source_id, hour * 60)}
        for source_id, of_source in of_sources.items()
    }


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
