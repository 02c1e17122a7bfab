"""One tick: one transaction that turns a facility's changed readings into totals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from services.aggregator import (
    close_hours,
    computable_ranges,
    compute,
    due,
    impossible,
    minute_rollover,
    restate_factor,
)
from services.aggregator import pieces as pieces_of
from services.aggregator.alerts import evaluate
from services.aggregator.alerts.changed_ranges import ChangedRanges
from services.aggregator.close_hours import Judged
from services.aggregator.due import Work
from services.aggregator.head import Recent, RecentReadings
from services.aggregator.invalidations import Touched
from services.aggregator.pieces import LIVE_MINUTES, Pieces
from services.aggregator.put_back import put_back
from services.aggregator.ranges import Ranges
from services.core.store.emissions import (
    claims,
    deferred_minutes,
    facility_progress,
    hour_closing,
    left_over,
    minutes_and_hours,
    retired_facilities,
)
from services.core.store.emissions.facility_progress import Progress
from services.core.store.emissions.minute_changes import Changes
from services.core.store.emissions.queued_minutes import QueuedMinutes
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema import restatement_reasons as why

#: Minutes that follow a new factor in one tick, a fraction of a second's work.
_FOLLOW_MINUTES = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticked:
    """What one tick did."""

    #: whether there was anything to do
    worked: bool
    #: whether there is more than what arrives from now on
    more: bool = False
    minutes: int = 0
    #: of them, those that are nobody's live totals
    old_minutes: int = 0
    restated_hours: int = 0
    #: what is older waits for a tick of its own: what arrived came first
    history_waits: bool = False


@dataclass(kw_only=True, slots=True)
class _Turn:
    """What the steps of one tick have in common."""

    connection: psycopg.Connection[Any]
    plan: FacilityPlan
    now: datetime
    current_minute: int
    readings: RecentReadings
    pieces: Pieces
    #: there may be minutes that follow a new factor
    follows: bool
    #: minutes wait that did not fit into a tick
    rest_waits: bool
    #: masses of some minutes cannot be
    noted: bool
    #: there is more of what is done than fitted into this tick
    more: bool = False
    changed_ranges: ChangedRanges = field(default_factory=ChangedRanges)
    minutes: int = 0
    old_minutes: int = 0
    restated_hours: int = 0

    @property
    def newest_minute(self) -> int:
        """The last minute that readings may speak of."""
        retired = self.plan.retirement
        return self.current_minute if retired is None else min(self.current_minute, retired.minute)

    @property
    def live_from(self) -> int:
        """The first minute that a live total may be about."""
        return (self.current_minute - LIVE_MINUTES) // 60 * 60


def tick(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    now: datetime,
    recent: Recent | None = None,
    pieces: Pieces | None = None,
    *,
    history_first: bool = False,
    trial: bool = False,
    held: bool = False,
    dated: datetime | None = None,
) -> Ticked:
    """Work off what is due for one facility; return what was done.

    Blocks for as long as the database works, on a piece of the work that ``pieces`` bounds. On
    return it is committed and told by NOTIFY, or, where another aggregator has the facility,
    nothing was done. ``recent`` is what this process remembers of the facility, if it does. With
    ``history_first`` a piece of what is queued is computed and nothing else, else what arrived: who
    calls takes them in turns. A ``trial`` does the same and takes it all back. With ``held`` no
    hour is closed: the time may be wrong. ``dated``: see :func:`.claim.lock`.
    """
    recent = Recent() if recent is None else recent
    with connection.transaction() as transaction:
        if not claims.lock(connection, plan.id, dated):
            return Ticked(worked=False)
        progress = facility_progress.read(connection, plan.id, now)
        reopened = None
        if progress.ahead:
            reopened = put_back(connection, plan, now)
            progress = facility_progress.read(connection, plan.id, now)
        sequence = progress.sequence
        # another aggregator may be ahead by a moment: what it carried values into is not the future
        current_minute = max(int(now.timestamp()) // 60, progress.carried_to or 0)
        of = _Turn(
            connection=connection,
            plan=plan,
            now=now,
            current_minute=current_minute,
            readings=recent.begin(connection, plan, sequence, current_minute),
            pieces=Pieces() if pieces is None else pieces,
            follows="factor" in progress.queued or progress.follows,
            rest_waits="rest" in progress.queued,
            noted=progress.noted,
        )
        if reopened is not None:
            # before windows are made anew, which then hold it already
            _reopen(of, *reopened)
        history = None
        if history_first and reopened is None:
            history = _history(of, progress)
        done, changed = history or _steps(of, progress, held=held, reopened=reopened is not None)
        if trial:
            raise psycopg.Rollback(transaction)
    recent.keep(sequence + changed)
    return done


def _steps(of: _Turn, progress: Progress, *, held: bool, reopened: bool) -> tuple[Ticked, bool]:
    """All steps of a tick; returns what was done, and whether anything is seen of it."""
    connection, plan, now = of.connection, of.plan, of.now
    # where closing is held back, what waits for it goes on waiting and is no work
    hours_wait = progress.hours_wait and not held
    refactored, followed = _new_factor(of, progress)
    arrived = _touched(of)
    # what is queued by now may have come from this tick
    history_waits = of.rest_waits or "readings" in progress.queued
    # what arrived is to be seen at once, and not when a piece of history is done
    asked_for = not arrived and history_waits and _asked_for(of, progress)
    minute_began = _minute_began(of, progress)
    rolled_to = facility_progress.windows_minute(plan.id, now)
    windows_due = _windows_due(of, progress)
    worked = arrived or asked_for or reopened or refactored is not None
    if not (worked or minute_began or windows_due or hours_wait):
        # minutes that follow change nothing that anybody sees, and no readings
        return Ticked(worked=followed, more=followed), False
    if minute_began:
        _carry(of, progress.carried_to)
    windows_wait = False
    if windows_due:
        rolled_due = rolled_to
        rolled_to = minute_rollover.move_windows(connection, plan, progress.rolled_to, rolled_due)
        windows_wait = rolled_to < rolled_due
    if (minute_began or hours_wait) and not held:
        hours_wait = _close(of)
    if windows_wait:
        # they would be brought up to now minute by minute, only to be judged
        evaluate.postpone(connection, plan, of.changed_ranges)
    else:
        evaluate.thresholds(connection, plan, of.changed_ranges, now)
    facility_progress.advance(
        connection,
        plan.id,
        slug=plan.slug,
        hours_wait=progress.hours_wait if held else hours_wait,
        carried_to=of.current_minute,
        rolled_to=rolled_to,
    )
    if plan.retirement is not None:
        retired_facilities.settle(connection, plan.id, minute=plan.retirement.minute)
    return Ticked(
        worked=True,
        more=(
            of.more
            or hours_wait
            or windows_wait
            or refactored is not None
            or followed
            or (arrived and history_waits)
        ),
        minutes=of.minutes,
        old_minutes=of.old_minutes,
        restated_hours=of.restated_hours + (refactored or 0),
        history_waits=arrived and history_waits,
    ), True


def _minute_began(of: _Turn, progress: Progress) -> bool:
    return progress.carried_to is None or progress.carried_to < of.current_minute


def _windows_due(of: _Turn, progress: Progress) -> bool:
    due_to = facility_progress.windows_minute(of.plan.id, of.now)
    return progress.rolled_to is None or progress.rolled_to < due_to


def _history(of: _Turn, progress: Progress) -> tuple[Ticked, bool] | None:
    """Compute a piece of what is queued and nothing else; None: something else comes first.

    That is a new factor, and what a minute brings: limits are judged with windows of now.
    """
    if not (of.rest_waits or "readings" in progress.queued):
        return None
    if "factor" in progress.queued or _minute_began(of, progress) or _windows_due(of, progress):
        return None
    if not _asked_for(of, progress):
        return None
    evaluate.thresholds(of.connection, of.plan, of.changed_ranges, of.now)
    facility_progress.advance(
        of.connection, of.plan.id, slug=of.plan.slug, hours_wait=progress.hours_wait
    )
    return Ticked(
        worked=True,
        more=True,
        minutes=of.minutes,
        old_minutes=of.old_minutes,
        restated_hours=of.restated_hours,
    ), True


def _touched(of: _Turn) -> bool:
    """Compute what readings changed, the newest first; return whether any did."""
    connection, plan = of.connection, of.plan
    claimed = claims.pairs(connection, plan.id, of.pieces.pairs)
    if claimed is None:
        return False
    changed = Touched.claimed(claimed)
    of.changed_ranges.channels.update(changed.bounds())
    ranges = due.touched(of.readings, plan, changed, of.newest_minute)
    work = due.of_touched(connection, plan, changed, ranges)
    if of.rest_waits:
        waiting = left_over.reasons(connection, plan.id, ranges.by_id())
        work = replace(work, reasons={**dict(work.reasons), **waiting})
    of.more |= changed.more or changed.reason is not None
    _compute(of, _fitting(of, work, live_only=changed.more))
    return True


def _asked_for(of: _Turn, progress: Progress) -> bool:
    """Compute a piece of what is queued; return whether anything was."""
    limit = max(of.pieces.old - of.old_minutes, of.pieces.old // 4, 60)
    work = due.asked_for(
        of.connection,
        of.plan,
        limit,
        of.newest_minute,
        # in turns, so that neither waits for the end of the other; each second tick is of history
        rest_first=progress.sequence // 2 % 2 == 0,
    )
    if work is None:
        return False
    of.more = True
    of.old_minutes += int((work.ranges.lasts - work.ranges.firsts).sum()) + len(work.ranges)
    _compute(of, work)
    return True


def _fitting(of: _Turn, work: Work, *, live_only: bool = False) -> Work:
    """Return the work that fits into this tick; queue the rest, and all that is set aside."""
    ranges, aside = work.ranges, work.ranges.where(np.zeros(len(work.ranges), np.bool_))
    if of.plan.set_aside:
        left_alone = np.isin(ranges.ids, list(of.plan.set_aside))
        ranges, aside = ranges.where(~left_alone), ranges.where(left_alone)
    parted = pieces_of.part(ranges, of.pieces, of.live_from, live_only=live_only)
    of.old_minutes += parted.old_minutes
    if len(parted.later) or len(aside):
        of.rest_waits = True
        of.more |= len(parted.later) > 0
        left_over.put(
            of.connection,
            of.plan.id,
            [
                QueuedMinutes(
                    source_id=source_id, interval=interval, reason=work.reasons[source_id]
                )
                for part in (parted.later, aside)
                for source_id, of_source in part.by_id().items()
                for interval in of_source
            ],
        )
    return work.but(parted.now)


def _new_factor(of: _Turn, progress: Progress) -> tuple[int | None, bool]:
    """Take a new factor first: what is computed after it has it, under a reason of its own.

    Returns the closed hours restated (None: nothing waits for one), and whether minutes followed.
    """
    refactored = None
    if "factor" in progress.queued:
        noted = impossible.sources(of.connection, of.plan) if of.noted else set[int]()
        refactored = restate_factor.step(of.connection, of.plan, of.changed_ranges, noted)
    if refactored is None and progress.follows:
        return None, deferred_minutes.step(
            of.connection, of.plan.id, _FOLLOW_MINUTES, of.plan.set_aside
        )
    return refactored, False


def _carry(of: _Turn, carried_to: int | None) -> None:
    """Carry values that hold into the minute that began."""
    if carried_to is None or carried_to >= of.newest_minute:
        return
    ranges = minute_rollover.carried(of.connection, of.plan, carried_to, of.newest_minute)
    reasons = dict.fromkeys(ranges, why.HELD_ON)
    _compute(of, _fitting(of, Work(ranges=Ranges.of(ranges).union()[0], reasons=reasons)))


def _reopen(of: _Turn, judged: Judged, hours: Mapping[int, set[int]]) -> None:
    """Take out of the totals what closing hours too early had added; they are open again."""
    _apply(of, Changes.none(), judged, hours, dict.fromkeys(hours, why.RECOMPUTATION))


def _close(of: _Turn) -> bool:
    """Close what is due; return whether more can be closed at once."""
    connection, plan, now = of.connection, of.plan, of.now
    more_to_close = minute_rollover.close_hours(connection, plan, now)
    hours, more = close_hours.due(connection, plan, now, minute_rollover.SETTLE_S)
    if hours:
        judged = close_hours.judge(connection, plan, hours, now)
        added = why.reason(why.SOURCE_CONFIGURATION, "validity or substitution rule added")
        _apply(of, Changes.none(), judged, hours, dict.fromkeys(hours, added))
    ended = close_hours.period_ended(connection, plan, now)
    if ended:
        resolved = why.reason(why.SUBSTITUTION_RESOLVED, "the reporting period ended")
        judged = close_hours.judge(connection, plan, ended, now)
        _apply(of, Changes.none(), judged, ended, dict.fromkeys(ended, resolved))
    if plan.retirement is not None and not hours:
        more_to_close |= close_hours.close_last(connection, plan, plan.retirement, now)
    return more or more_to_close


def _compute(of: _Turn, work: Work) -> None:
    """Compute and write."""
    connection, plan = of.connection, of.plan
    ranges = computable_ranges.ranges(connection, plan, work.ranges)
    if of.follows:
        deferred_minutes.settle(connection, plan.id, ranges.by_id())
    computed = compute.sources(of.readings, plan, ranges) if len(ranges) else []
    of.noted = impossible.note(connection, plan, ranges, computed, noted=of.noted)
    changes = minutes_and_hours.record(connection, computed) if computed else Changes.none()
    again = close_hours.recorded_again(connection, close_hours.concerned(plan, ranges), work.judge)
    judged = close_hours.judge(connection, plan, again, of.now)
    # where nothing is judged nobody asks which hours changed
    hours: dict[int, set[int]] = changes.hours() if again else {}
    for source_id, of_source in again.items():
        hours.setdefault(source_id, set()).update(of_source)
    _apply(of, changes, judged, hours, work.reasons)
    of.minutes += sum(source.minutes.size for source in computed)


def _apply(
    of: _Turn,
    changes: Changes,
    judged: Judged,
    hours: Mapping[int, Collection[int]],
    reasons: Mapping[int, str],
) -> None:
    """Bring minutes' changes and judgements into hours and windows; each hour changes once.

    ``reasons`` are those of ``hours``, by source; others changed because their substitutes did.
    """
    connection = of.connection
    direct, indirect = judged.adjustments.split(hours)
    direct = changes.plus(direct)
    of.restated_hours += minutes_and_hours.change_hours(
        connection, direct, _of_ended(of, direct, reasons)
    )
    resolved = {
        source_id: why.reason(
            why.SUBSTITUTION_RESOLVED, why.hours_between(min(of_source), max(of_source))
        )
        for source_id, of_source in hours.items()
        if len(indirect)
    }
    of.restated_hours += minutes_and_hours.change_hours(connection, indirect, resolved)
    changed = direct.plus(indirect)
    minutes_and_hours.change_rolling(
        connection, changed, minute_rollover.windows_through(of.current_minute)
    )
    of.changed_ranges.add(changed, reasons)
    hour_closing.judge_hours(connection, judged.verdicts)


def _of_ended(of: _Turn, changes: Changes, reasons: Mapping[int, str]) -> dict[int, str]:
    """Return the reasons of changes of ended hours: only such an hour can be closed."""
    ended = changes.columns["minutes"] < of.current_minute // 60 * 60
    sources = np.unique(changes.columns["sources"][ended]).tolist()
    return {source: reasons[source] for source in sources if source in reasons}
