"""Say of which sources minutes have masses that cannot be: nothing is told of these minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import structlog

from services.core.store.computation.ranges import Ranges
from services.core.store.emissions import set_aside
from services.core.store.emissions.minute_changes import SourceMinutes
from services.core.store.emissions.set_aside import Piece
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.intervals import bounds

log = structlog.get_logger()

#: What such a note is a piece of.
MASSES = "masses"


def note(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    ranges: Ranges,
    computed: Sequence[SourceMinutes],
    *,
    noted: bool,
) -> bool:
    """Note the sources that have such minutes among those computed, and those that no longer do.

    ``noted``: whether any of the facility are noted already; returns whether any are now.
    """
    bad = _bounds(computed)
    for source_id, (first, last) in bad.items():
        source = plan.sources[source_id]
        channels = sorted({plan.channel_names[channel] for channel in source.inputs.values()})
        reason = (
            f"readings of {', '.join(channels)} come to masses that cannot be: their minutes are"
            " unknown; give the channel its range in the facility file, or look at the factor"
        )
        set_aside.note(connection, "aggregator", _piece(plan, source_id), reason, first, last)
        log.warning("masses_that_cannot_be", facility=plan.slug, source=source.slug)
    if noted:
        by_source = {
            entry.name: entry
            for entry in set_aside.of_facility(connection, "aggregator", plan.id)
            if entry.kind == MASSES
        }
        for source_id, of_source in ranges.by_id().items():
            entry = by_source.get(plan.sources[source_id].slug)
            if entry is not None and source_id not in bad:
                computed_now = bounds(of_source)
                set_aside.shorten(
                    connection, "aggregator", entry, computed_now.start, computed_now.last
                )
    return noted or bool(bad)


def sources(connection: psycopg.Connection[Any], plan: FacilityPlan) -> set[int]:
    """Return the sources that are noted."""
    entries = set_aside.of_facility(connection, "aggregator", plan.id)
    names = {entry.name for entry in entries if entry.kind == MASSES}
    return {source.id for source in plan.sources.values() if source.slug in names}


def _bounds(computed: Sequence[SourceMinutes]) -> dict[int, tuple[int, int]]:
    """First and last of the minutes that cannot be told, by source."""
    bounds: dict[int, tuple[int, int]] = {}
    for part in computed:
        if not part.beyond.any():
            continue
        ids, minutes = part.source_ids[part.beyond], part.minutes[part.beyond]
        for source_id in np.unique(ids).tolist():
            source_minutes = minutes[ids == source_id]
            bounds[source_id] = (int(source_minutes.min()), int(source_minutes.max()))
    return bounds


def _piece(plan: FacilityPlan, source_id: int) -> Piece:
    return Piece(facility_id=plan.id, kind=MASSES, name=plan.sources[source_id].slug)
