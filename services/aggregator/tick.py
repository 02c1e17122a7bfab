"""One tick: one transaction that turns a facility's changed readings into totals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from services.aggregator import claim, compute, expand, turn
from services.aggregator.expand import Range
from services.core.store import emission_writer, notify
from services.core.store.registry.plan import FacilityPlan

#: A queued recomputation is worked off in slices of a week, so that live data comes between.
_RECOMPUTE_MINUTES = 7 * 1440

_PROGRESS = """
SELECT extract(epoch FROM carried_to)::int8 / 60 FROM facility_progress WHERE facility_id = %s
"""

_CHANGED = """
UPDATE facility_progress
SET sequence = sequence + 1, changed_at = clock_timestamp(), carried_to = greatest(carried_to, %s)
WHERE facility_id = %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticked:
    """What one tick did."""

    #: whether there was anything to do
    worked: bool
    minutes: int = 0
    restated_hours: int = 0


def tick(connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime) -> Ticked:
    """Work off what is due for one facility; return what was done.

    Blocks for as long as the database works. On return it is committed and told by NOTIFY, or,
    where another aggregator has the facility, nothing was done.
    """
    current_minute = int(now.timestamp()) // 60
    with connection.transaction():
        if not claim.lock(connection, plan.id):
            return Ticked(worked=False)
        ranges, reason = _due(connection, plan, current_minute)
        carried_to = _carried_to(connection, plan)
        minute_began = carried_to is None or carried_to < current_minute
        if ranges is None and not minute_began:
            return Ticked(worked=False)
        minutes, restated = _compute(connection, plan, ranges or {}, reason)
        if minute_began:
            restated += _begin_minute(connection, plan, carried_to, current_minute, now)
        instant = datetime.fromtimestamp(current_minute * 60, UTC)
        connection.execute(_CHANGED, (instant, plan.id))
        connection.execute("SELECT pg_notify(%s, %s)", (notify.LIVE, plan.slug))
    return Ticked(worked=True, minutes=minutes, restated_hours=restated)


def _due(
    connection: psycopg.Connection[Any], plan: FacilityPlan, current_minute: int
) -> tuple[dict[int, list[Range]] | None, str]:
    """What to compute and why: touched minutes first, else the next slice of a recomputation."""
    touched = claim.touched(connection, plan.id)
    if touched:
        return expand.affected(connection, plan, touched, current_minute), "late readings"
    span = claim.recompute_span(connection, plan.id, _RECOMPUTE_MINUTES)
    if span is None:
        return None, ""
    if span.source_id not in plan.sources:
        return {}, span.reason
    upto = min(span.last_minute, max(span.first_minute, current_minute))
    return {span.source_id: [(span.first_minute, upto)]}, span.reason


def _carried_to(connection: psycopg.Connection[Any], plan: FacilityPlan) -> int | None:
    row = connection.execute(_PROGRESS, (plan.id,)).fetchone()
    return row[0] if row else None


def _begin_minute(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    carried_to: int | None,
    current_minute: int,
    now: datetime,
) -> int:
    restated = 0
    if carried_to is not None:
        ranges = turn.carried(connection, plan, carried_to, current_minute)
        restated = _compute(connection, plan, ranges, "value held on")[1]
    turn.move_windows(connection, plan, current_minute)
    turn.close_hours(connection, plan, now)
    return restated


def _compute(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    ranges: dict[int, list[Range]],
    reason: str,
) -> tuple[int, int]:
    """Compute and write; return the minutes computed and the final hours restated."""
    if not ranges:
        return 0, 0
    computed = compute.sources(connection, plan, ranges)
    changes = emission_writer.record(connection, computed)
    restated = 0
    if len(changes):
        restated = emission_writer.change_hours(connection, changes, reason)
        emission_writer.change_rolling(connection, changes)
    return sum(source.minutes.size for source in computed), restated
