"""What of one facility is due to be computed, and why: touched minutes, and older requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from services.aggregator import calibrations, expand
from services.aggregator.head import RecentReadings
from services.aggregator.invalidations import Touched, TouchedReasons
from services.aggregator.ranges import Ranges
from services.core.store.emissions import claims, left_over
from services.core.store.registry.plan import FacilityPlan

#: A queued recomputation is worked off in slices of a week, so that live data comes between.
_RECOMPUTE_MINUTES = 7 * 1440


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is to be computed, and why."""

    #: by source
    ranges: Ranges
    #: by source: the reason of what this changes of closed hours
    reasons: Mapping[int, str]
    #: first and last hours by source to be judged again where they were judged before
    judge: dict[int, tuple[int, int]] = field(default_factory=dict)

    def but(self, ranges: Ranges) -> Work:
        """Return the same for these ranges."""
        return replace(self, ranges=ranges)


def touched(
    readings: RecentReadings, plan: FacilityPlan, changed: Touched, current_minute: int
) -> Ranges:
    """Return the minutes that changed readings may speak of, by source of the plan."""
    mine = changed.among(plan.channels)
    readings.refresh(*mine.since())
    return expand.affected(readings, plan, mine, current_minute)


def of_touched(
    connection: psycopg.Connection[Any], plan: FacilityPlan, changed: Touched, ranges: Ranges
) -> Work:
    """Why these minutes are computed, and what is judged again."""
    mine = changed.among(plan.channels)
    return Work(
        ranges=ranges,
        reasons=TouchedReasons(plan, mine),
        judge=_of_sources(plan, calibrations.refresh(connection, plan, mine)),
    )


def asked_for(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    most_minutes: int,
    current_minute: int,
    *,
    rest_first: bool,
) -> Work | None:
    """Return the next piece of what was asked for or did not fit into a tick; None: neither."""
    if rest_first:
        return _rest(connection, plan, most_minutes) or _requested(
            connection, plan, most_minutes, current_minute
        )
    return _requested(connection, plan, most_minutes, current_minute) or _rest(
        connection, plan, most_minutes
    )


def _requested(
    connection: psycopg.Connection[Any], plan: FacilityPlan, most_minutes: int, current_minute: int
) -> Work | None:
    span = claims.recompute_span(
        connection, plan.id, min(most_minutes, _RECOMPUTE_MINUTES), but=plan.set_aside
    )
    if span is None:
        return None
    if span.source_id not in plan.sources:
        return Work(ranges=Ranges.of({}), reasons={})
    upto = min(span.last_minute, max(span.first_minute, current_minute))
    judge = calibrations.refresh_span(
        connection, plan, plan.sources[span.source_id], span.first_minute, upto
    )
    first, last = judge.get(span.source_id, (span.first_minute // 60, upto // 60))
    return Work(
        ranges=Ranges.of({span.source_id: [(span.first_minute, upto)]}),
        reasons={span.source_id: span.reason},
        judge=_of_sources(plan, judge)
        | {span.source_id: (min(first, span.first_minute // 60), max(last, upto // 60))},
    )


def _of_sources(
    plan: FacilityPlan, judge: Mapping[int, tuple[int, int]]
) -> dict[int, tuple[int, int]]:
    return {source_id: hours for source_id, hours in judge.items() if source_id in plan.sources}


def _rest(
    connection: psycopg.Connection[Any], plan: FacilityPlan, most_minutes: int
) -> Work | None:
    spans = left_over.take(connection, plan.id, most_minutes, but=plan.set_aside)
    if not spans:
        return None
    mine: dict[int, list[tuple[int, int]]] = {}
    for span in spans:
        if span.source_id in plan.sources:
            mine.setdefault(span.source_id, []).append((span.first, span.stop - 1))
    return Work(
        ranges=Ranges.of(mine).union()[0], reasons={span.source_id: span.reason for span in spans}
    )
