"""One tick: one transaction that turns a facility's changed readings into totals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from services.aggregator import (
    calibrations,
    claim,
    closing,
    compute,
    expand,
    judge,
    kept,
    restate_factor,
    turn,
)
from services.aggregator.claim import Touched
from services.aggregator.closing import Judged
from services.aggregator.expand import Range
from services.aggregator.seen import Seen
from services.core.store import emission_writer, following, hour_closing, notify
from services.core.store import restatement_reasons as why
from services.core.store.emission_writer import Changes
from services.core.store.registry.plan import FacilityPlan

#: A queued recomputation is worked off in slices of a week, so that live data comes between.
_RECOMPUTE_MINUTES = 7 * 1440

#: Minutes that follow a new factor in one tick, a fraction of a second's work.
_FOLLOW_MINUTES = 20_000

_PROGRESS = """
SELECT extract(epoch FROM carried_to)::int8 / 60, hours_wait
FROM facility_progress WHERE facility_id = %s
"""

_CHANGED = """
UPDATE facility_progress
SET sequence = sequence + 1, changed_at = clock_timestamp(), carried_to = greatest(carried_to, %s),
    hours_wait = %s
WHERE facility_id = %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticked:
    """What one tick did."""

    #: whether there was anything to do
    worked: bool
    minutes: int = 0
    restated_hours: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """What is to be computed, and why."""

    ranges: dict[int, list[Range]]
    #: by source: the reason of what this changes of closed hours
    reasons: dict[int, str]
    #: first and last hours by source to be judged again where they were judged before
    judge: dict[int, tuple[int, int]] = field(default_factory=dict)


def tick(connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime) -> Ticked:
    """Work off what is due for one facility; return what was done.

    Blocks for as long as the database works. On return it is committed and told by NOTIFY, or,
    where another aggregator has the facility, nothing was done.
    """
    seen = Seen()
    with connection.transaction():
        if not claim.lock(connection, plan.id):
            return Ticked(worked=False)
        carried_to, hours_wait = _progress(connection, plan)
        # another aggregator's clock may be ahead: what it carried values into is not the future
        current_minute = max(int(now.timestamp()) // 60, carried_to or 0)
        # a new factor first: what is computed from here on has it, under a reason of its own
        refactored = restate_factor.step(connection, plan, seen)
        followed = refactored is None and following.step(connection, plan.id, _FOLLOW_MINUTES)
        work = _due(connection, plan, current_minute, seen)
        minute_began = carried_to is None or carried_to < current_minute
        if work is None and refactored is None and not minute_began and not hours_wait:
            # minutes that follow change nothing that anybody sees
            return Ticked(worked=followed)
        minutes, restated = 0, refactored or 0
        if work is not None:
            minutes, of_work = _compute(connection, plan, work, now, seen)
            restated += of_work
        if minute_began:
            restated += _begin_minute(connection, plan, carried_to, current_minute, now, seen)
        if minute_began or hours_wait:
            hours_wait = _close(connection, plan, now, seen)
        judge.judge(connection, plan, seen, now)
        instant = datetime.fromtimestamp(current_minute * 60, UTC)
        connection.execute(_CHANGED, (instant, hours_wait, plan.id))
        connection.execute("SELECT pg_notify(%s, %s)", (notify.LIVE, plan.slug))
    return Ticked(worked=True, minutes=minutes, restated_hours=restated)


def _due(
    connection: psycopg.Connection[Any], plan: FacilityPlan, current_minute: int, seen: Seen
) -> _Work | None:
    """What to compute and why: touched minutes first, else the next slice of a recomputation."""
    touched = claim.touched(connection, plan.id)
    if touched is not None:
        seen.note_readings(touched.minutes)
        return _Work(
            ranges=expand.affected(connection, plan, touched.minutes, current_minute),
            reasons=_reasons(plan, touched),
            judge=calibrations.refresh(connection, plan, touched.minutes),
        )
    span = claim.recompute_span(connection, plan.id, _RECOMPUTE_MINUTES)
    if span is None:
        return None
    if span.source_id not in plan.sources:
        return _Work(ranges={}, reasons={})
    upto = min(span.last_minute, max(span.first_minute, current_minute))
    judge = calibrations.refresh_span(
        connection, plan, plan.sources[span.source_id], span.first_minute, upto
    )
    first, last = judge.get(span.source_id, (span.first_minute // 60, upto // 60))
    return _Work(
        ranges={span.source_id: [(span.first_minute, upto)]},
        reasons={span.source_id: span.reason},
        judge=judge
        | {span.source_id: (min(first, span.first_minute // 60), max(last, upto // 60))},
    )


def _reasons(plan: FacilityPlan, touched: Touched) -> dict[int, str]:
    """Late readings are told by their channels, of each source by its own."""
    channels: dict[int, list[str]] = {}
    for channel_id in touched.minutes:
        for source_id in plan.fed_by.get(channel_id, ()):
            channels.setdefault(source_id, []).append(plan.channel_names[channel_id])
    return {
        source_id: touched.reason or why.reason(why.LATE_READINGS, why.listed(sorted(names)))
        for source_id, names in channels.items()
    }


def _progress(connection: psycopg.Connection[Any], plan: FacilityPlan) -> tuple[int | None, bool]:
    """The minute that values were carried into, and whether the last tick left hours to close."""
    row = connection.execute(_PROGRESS, (plan.id,)).fetchone()
    return (row[0], row[1]) if row else (None, False)


def _begin_minute(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    carried_to: int | None,
    current_minute: int,
    now: datetime,
    seen: Seen,
) -> int:
    restated = 0
    if carried_to is not None:
        ranges = turn.carried(connection, plan, carried_to, current_minute)
        work = _Work(ranges=ranges, reasons=dict.fromkeys(ranges, why.HELD_ON))
        restated = _compute(connection, plan, work, now, seen)[1]
    turn.move_windows(connection, plan, current_minute)
    return restated


def _close(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime, seen: Seen
) -> bool:
    """Close what is due; return whether more can be closed at once."""
    turn.close_hours(connection, plan, now)
    hours, more = closing.due(connection, plan, now, turn.SETTLE_S)
    if hours:
        judged = closing.judge(connection, plan, hours, now)
        added = why.reason(why.SOURCE_CONFIGURATION, "validity or substitution rule added")
        _apply(connection, Changes.none(), judged, hours, dict.fromkeys(hours, added), seen)
    ended = closing.period_ended(connection, plan, now)
    if ended:
        resolved = why.reason(why.SUBSTITUTION_RESOLVED, "the reporting period ended")
        judged = closing.judge(connection, plan, ended, now)
        _apply(connection, Changes.none(), judged, ended, dict.fromkeys(ended, resolved), seen)
    return more


def _compute(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    work: _Work,
    now: datetime,
    seen: Seen,
) -> tuple[int, int]:
    """Compute and write; return the minutes computed and the closed hours restated."""
    ranges = kept.ranges(connection, plan, work.ranges)
    following.settle(connection, plan.id, ranges)
    computed = compute.sources(connection, plan, ranges) if ranges else []
    changes = emission_writer.record(connection, computed) if computed else Changes.none()
    again = closing.recorded_again(connection, closing.concerned(plan, ranges), work.judge)
    judged = closing.judge(connection, plan, again, now)
    hours: dict[int, set[int]] = changes.hours()
    for source_id, of_source in again.items():
        hours.setdefault(source_id, set()).update(of_source)
    restated = _apply(connection, changes, judged, hours, work.reasons, seen)
    return sum(source.minutes.size for source in computed), restated


def _apply(
    connection: psycopg.Connection[Any],
    changes: Changes,
    judged: Judged,
    hours: Mapping[int, Collection[int]],
    reasons: Mapping[int, str],
    seen: Seen,
) -> int:
    """Bring minutes' changes and judgements into hours and windows; each hour changes once.

    ``reasons`` are those of ``hours``, by source; others changed because their substitutes did.
    Returns the closed hours restated.
    """
    direct, indirect = judged.adjustments.split(hours)
    direct = changes.plus(direct)
    restated = emission_writer.change_hours(connection, direct, reasons)
    resolved = {
        source_id: why.reason(
            why.SUBSTITUTION_RESOLVED, why.hours_between(min(of_source), max(of_source))
        )
        for source_id, of_source in hours.items()
    }
    restated += emission_writer.change_hours(connection, indirect, resolved)
    changed = direct.plus(indirect)
    emission_writer.change_rolling(connection, changed)
    seen.note(changed, reasons)
    hour_closing.judge_hours(connection, judged.verdicts)
    return restated
