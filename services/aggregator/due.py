"""What of one facility is due to be computed, and why: invalidated minutes, and older requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import psycopg

from services.aggregator import calibrations, expand
from services.aggregator.head import HeadReadings
from services.aggregator.invalidations import InvalidationReasons, Invalidations
from services.core.store.computation.ranges import Ranges
from services.core.store.emissions import claims, left_over
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.intervals import Interval

#: A queued recomputation is worked off in slices of a week, so that live data comes between.
_RECOMPUTE_MINUTES = 7 * DAY_MINUTES


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is to be computed, and why."""

    #: by source
    ranges: Ranges
    #: by source: the reason of what this changes of closed hours
    reasons: Mapping[int, str]
    #: first and last hours by source to be judged again where they were judged before
    hours_to_finalise: dict[int, tuple[int, int]] = field(default_factory=dict)

    def but(self, ranges: Ranges) -> Work:
        """Return the same for these ranges."""
        return replace(self, ranges=ranges)


def invalidated_ranges(
    readings: HeadReadings, plan: FacilityPlan, changed: Invalidations, current_minute: int
) -> Ranges:
    """Return the minutes that changed readings of the plan's channels may speak of, by source."""
    readings.refresh(*changed.since())
    return expand.affected(readings, plan, changed, current_minute)


def work_on(
    connection: psycopg.Connection[Any], plan: FacilityPlan, changed: Invalidations, ranges: Ranges
) -> Work:
    """Why these minutes are computed, and which hours are finalised again.

    ``changed``: readings of the plan's channels.
    """
    return Work(
        ranges=ranges,
        reasons=InvalidationReasons(plan, changed),
        hours_to_finalise=_of_sources(plan, calibrations.refresh(connection, plan, changed)),
    )


def asked_for(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    max_minutes: int,
    current_minute: int,
    *,
    rest_first: bool,
    packed_before: int = 0,
) -> Work | None:
    """Return the next piece of what was asked for or did not fit into a tick; None: neither.

    ``packed_before``: minutes before this one are packed, by day.
    """
    ways = (
        partial(_rest, connection, plan, max_minutes, packed_before),
        partial(_requested, connection, plan, max_minutes, current_minute, packed_before),
    )
    first, second = ways if rest_first else ways[::-1]
    return first() or second()


def _requested(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    max_minutes: int,
    current_minute: int,
    packed_before: int,
) -> Work | None:
    queued = claims.requested(
        connection,
        plan.id,
        min(max_minutes, _RECOMPUTE_MINUTES),
        current_minute,
        but=plan.set_aside,
        oldest_first=[s.id for s in plan.sources.values() if s.closing is not None],
        packed_before=packed_before,
    )
    if queued is None:
        return None
    source_id, start = queued.source_id, queued.interval.start
    if source_id not in plan.sources or (
        # a log of events would say of a minute to come that nothing happened in it
        start > current_minute and plan.reads_log(source_id)
    ):
        return Work(ranges=Ranges.from_intervals({}), reasons={})
    last_minute = queued.interval.last
    hours = calibrations.refresh_span(connection, plan, plan.sources[source_id], start, last_minute)
    first, last = hours.get(source_id, (start // 60, last_minute // 60))
    return Work(
        ranges=Ranges.from_intervals({source_id: [Interval.through(start, last_minute)]}),
        reasons={source_id: queued.reason},
        hours_to_finalise=_of_sources(plan, hours)
        | {source_id: (min(first, start // 60), max(last, last_minute // 60))},
    )


def _of_sources(
    plan: FacilityPlan, hours_by_source: Mapping[int, tuple[int, int]]
) -> dict[int, tuple[int, int]]:
    return {
        source_id: hours
        for source_id, hours in hours_by_source.items()
        if source_id in plan.sources
    }


def _rest(
    connection: psycopg.Connection[Any], plan: FacilityPlan, max_minutes: int, packed_before: int
) -> Work | None:
    taken = left_over.take(
        connection, plan.id, max_minutes, but=plan.set_aside, packed_before=packed_before
    )
    if not taken:
        return None
    selected: dict[int, list[Interval]] = {}
    for queued in taken:
        if queued.source_id in plan.sources:
            selected.setdefault(queued.source_id, []).append(queued.interval)
    return Work(
        ranges=Ranges.from_intervals(selected).union()[0],
        reasons={queued.source_id: queued.reason for queued in taken},
    )
