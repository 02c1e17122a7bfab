"""One tick: one transaction that turns a facility's changed readings into totals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import class_row

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
from services.aggregator.closing import Judged
from services.aggregator.ranges import Ranges
from services.aggregator.recent import Recent, RecentReadings
from services.aggregator.seen import Seen
from services.aggregator.touched import TouchedReasons
from services.core.store import emission_writer, following, hour_closing, notify
from services.core.store import restatement_reasons as why
from services.core.store.emission_writer import Changes
from services.core.store.registry.plan import FacilityPlan

#: A queued recomputation is worked off in slices of a week, so that live data comes between.
_RECOMPUTE_MINUTES = 7 * 1440

#: Minutes that follow a new factor in one tick, a fraction of a second's work.
_FOLLOW_MINUTES = 20_000

_PROGRESS = """
SELECT extract(epoch FROM carried_to)::int8 / 60 AS carried_to,
       extract(epoch FROM rolled_to)::int8 / 60 AS rolled_to, hours_wait, sequence,
       EXISTS (SELECT FROM recompute r
               WHERE r.facility_id = p.facility_id AND r.step = 'factor') AS factor_waits,
       EXISTS (SELECT FROM following_minutes f WHERE f.facility_id = p.facility_id) AS follows
FROM facility_progress p WHERE facility_id = %s
"""

_CHANGED = """
WITH changed AS (
UPDATE facility_progress
SET sequence = sequence + 1, changed_at = clock_timestamp(), carried_to = greatest(carried_to, %s),
    rolled_to = greatest(rolled_to, %s), hours_wait = %s
WHERE facility_id = %s)
SELECT pg_notify(%s, %s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Progress:
    """How far a facility is; minutes since the epoch."""

    #: the minute that values were carried into, and that windows were moved in; None: never
    carried_to: int | None = None
    rolled_to: int | None = None
    #: the last tick left hours to close
    hours_wait: bool = False
    sequence: int = 0
    #: hours wait for a new factor
    factor_waits: bool = False
    #: minutes still follow one
    follows: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticked:
    """What one tick did."""

    #: whether there was anything to do
    worked: bool
    #: whether there is more than what arrives from now on
    more: bool = False
    minutes: int = 0
    restated_hours: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """What is to be computed, and why."""

    #: by source
    ranges: Ranges
    #: by source: the reason of what this changes of closed hours
    reasons: Mapping[int, str]
    #: first and last hours by source to be judged again where they were judged before
    judge: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: readings arrived; else it was asked for, and there may be more of it
    live: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Turn:
    """What the steps of one tick have in common."""

    connection: psycopg.Connection[Any]
    plan: FacilityPlan
    now: datetime
    current_minute: int
    readings: RecentReadings
    #: there may be minutes that follow a new factor
    follows: bool
    seen: Seen = field(default_factory=Seen)


def tick(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    now: datetime,
    recent: Recent | None = None,
) -> Ticked:
    """Work off what is due for one facility; return what was done.

    Blocks for as long as the database works. On return it is committed and told by NOTIFY, or,
    where another aggregator has the facility, nothing was done. ``recent`` is what this process
    remembers of the facility, if it does.
    """
    recent = Recent() if recent is None else recent
    with connection.transaction():
        if not claim.lock(connection, plan.id):
            return Ticked(worked=False)
        progress = _progress(connection, plan)
        sequence, hours_wait = progress.sequence, progress.hours_wait
        # another aggregator's clock may be ahead: what it carried values into is not the future
        current_minute = max(int(now.timestamp()) // 60, progress.carried_to or 0)
        of = _Turn(
            connection=connection,
            plan=plan,
            now=now,
            current_minute=current_minute,
            readings=recent.begin(connection, plan, sequence, current_minute),
            follows=progress.factor_waits or progress.follows,
        )
        refactored, followed = _new_factor(of, progress)
        work = _due(of)
        minute_began = progress.carried_to is None or progress.carried_to < current_minute
        rolled_minute = claim.windows_minute(plan.id, now)
        windows_due = progress.rolled_to is None or progress.rolled_to < rolled_minute
        if work is None and refactored is None and not (minute_began or windows_due or hours_wait):
            # minutes that follow change nothing that anybody sees, and no readings
            recent.keep(sequence)
            return Ticked(worked=followed, more=followed)
        minutes, restated = 0, refactored or 0
        if work is not None:
            minutes, of_work = _compute(of, work)
            restated += of_work
        if minute_began:
            restated += _carry(of, progress.carried_to)
        if windows_due:
            turn.move_windows(connection, plan, rolled_minute)
        if minute_began or hours_wait:
            hours_wait = _close(of)
        judge.judge(connection, plan, of.seen, now)
        carried, rolled = (
            datetime.fromtimestamp(minute * 60, UTC) for minute in (current_minute, rolled_minute)
        )
        connection.execute(_CHANGED, (carried, rolled, hours_wait, plan.id, notify.LIVE, plan.slug))
    recent.keep(sequence + 1)
    asked_for = refactored is not None or followed or (work is not None and not work.live)
    return Ticked(
        worked=True, more=hours_wait or asked_for, minutes=minutes, restated_hours=restated
    )


def _due(of: _Turn) -> _Work | None:
    """What to compute and why: touched minutes first, else the next slice of a recomputation."""
    plan = of.plan
    touched = claim.touched(of.connection, plan.id)
    if touched is not None:
        of.seen.channels.update(touched.extents())
        touched = touched.among(plan.channels)
        of.readings.refresh(*touched.since())
        return _Work(
            ranges=expand.affected(of.readings, plan, touched, of.current_minute),
            reasons=TouchedReasons(plan, touched),
            judge=calibrations.refresh(of.connection, plan, touched),
            live=touched.reason is None,
        )
    span = claim.recompute_span(of.connection, plan.id, _RECOMPUTE_MINUTES)
    if span is None:
        return None
    if span.source_id not in plan.sources:
        return _Work(ranges=Ranges.of({}), reasons={}, live=False)
    upto = min(span.last_minute, max(span.first_minute, of.current_minute))
    judge = calibrations.refresh_span(
        of.connection, plan, plan.sources[span.source_id], span.first_minute, upto
    )
    first, last = judge.get(span.source_id, (span.first_minute // 60, upto // 60))
    return _Work(
        ranges=Ranges.of({span.source_id: [(span.first_minute, upto)]}),
        reasons={span.source_id: span.reason},
        judge=judge
        | {span.source_id: (min(first, span.first_minute // 60), max(last, upto // 60))},
        live=False,
    )


def _progress(connection: psycopg.Connection[Any], plan: FacilityPlan) -> _Progress:
    with connection.cursor(row_factory=class_row(_Progress)) as cursor:
        return cursor.execute(_PROGRESS, (plan.id,)).fetchone() or _Progress()


def _new_factor(of: _Turn, progress: _Progress) -> tuple[int | None, bool]:
    """A new factor first: what is computed after it has it, under a reason of its own.

    Returns the closed hours restated (None: nothing waits for one), and whether minutes followed.
    """
    refactored = None
    if progress.factor_waits:
        refactored = restate_factor.step(of.connection, of.plan, of.seen)
    if refactored is None and progress.follows:
        return None, following.step(of.connection, of.plan.id, _FOLLOW_MINUTES)
    return refactored, False


def _carry(of: _Turn, carried_to: int | None) -> int:
    """Carry values that hold into the minute that began; return the closed hours restated."""
    if carried_to is None:
        return 0
    ranges = turn.carried(of.connection, of.plan, carried_to, of.current_minute)
    reasons = dict.fromkeys(ranges, why.HELD_ON)
    return _compute(of, _Work(ranges=Ranges.of(ranges).union()[0], reasons=reasons))[1]


def _close(of: _Turn) -> bool:
    """Close what is due; return whether more can be closed at once."""
    connection, plan, now = of.connection, of.plan, of.now
    turn.close_hours(connection, plan, now)
    hours, more = closing.due(connection, plan, now, turn.SETTLE_S)
    if hours:
        judged = closing.judge(connection, plan, hours, now)
        added = why.reason(why.SOURCE_CONFIGURATION, "validity or substitution rule added")
        _apply(of, Changes.none(), judged, hours, dict.fromkeys(hours, added))
    ended = closing.period_ended(connection, plan, now)
    if ended:
        resolved = why.reason(why.SUBSTITUTION_RESOLVED, "the reporting period ended")
        judged = closing.judge(connection, plan, ended, now)
        _apply(of, Changes.none(), judged, ended, dict.fromkeys(ended, resolved))
    return more


def _compute(of: _Turn, work: _Work) -> tuple[int, int]:
    """Compute and write; return the minutes computed and the closed hours restated."""
    connection, plan = of.connection, of.plan
    ranges = kept.ranges(connection, plan, work.ranges)
    if of.follows:
        following.settle(connection, plan.id, ranges.by_id())
    computed = compute.sources(of.readings, plan, ranges) if len(ranges) else []
    changes = emission_writer.record(connection, computed) if computed else Changes.none()
    again = closing.recorded_again(connection, closing.concerned(plan, ranges), work.judge)
    judged = closing.judge(connection, plan, again, of.now)
    # where nothing is judged nobody asks which hours changed
    hours: dict[int, set[int]] = changes.hours() if again else {}
    for source_id, of_source in again.items():
        hours.setdefault(source_id, set()).update(of_source)
    restated = _apply(of, changes, judged, hours, work.reasons)
    return sum(source.minutes.size for source in computed), restated


def _apply(
    of: _Turn,
    changes: Changes,
    judged: Judged,
    hours: Mapping[int, Collection[int]],
    reasons: Mapping[int, str],
) -> int:
    """Bring minutes' changes and judgements into hours and windows; each hour changes once.

    ``reasons`` are those of ``hours``, by source; others changed because their substitutes did.
    Returns the closed hours restated.
    """
    connection = of.connection
    direct, indirect = judged.adjustments.split(hours)
    direct = changes.plus(direct)
    restated = emission_writer.change_hours(connection, direct, _of_ended(of, direct, reasons))
    resolved = {
        source_id: why.reason(
            why.SUBSTITUTION_RESOLVED, why.hours_between(min(of_source), max(of_source))
        )
        for source_id, of_source in hours.items()
        if len(indirect)
    }
    restated += emission_writer.change_hours(connection, indirect, resolved)
    changed = direct.plus(indirect)
    emission_writer.change_rolling(connection, changed, turn.windows_upto(of.current_minute))
    of.seen.note(changed, reasons)
    hour_closing.judge_hours(connection, judged.verdicts)
    return restated


def _of_ended(of: _Turn, changes: Changes, reasons: Mapping[int, str]) -> dict[int, str]:
    """The reasons of changes of hours that have ended: only such an hour can be closed."""
    ended = changes.columns["minutes"] < of.current_minute // 60 * 60
    sources = np.unique(changes.columns["sources"][ended]).tolist()
    return {source: reasons[source] for source in sources if source in reasons}
