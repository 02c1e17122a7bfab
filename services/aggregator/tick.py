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
    close_pollutants,
    due,
    follow_factor,
    impossible,
    minute_rollover,
    restate_factor,
)
from services.aggregator import pieces as pieces_of
from services.aggregator.alerts import evaluate
from services.aggregator.alerts.changed_ranges import ChangedRanges
from services.aggregator.close_hours import Finalised
from services.aggregator.due import Work
from services.aggregator.head import Head, HeadReadings
from services.aggregator.invalidations import Invalidations
from services.aggregator.pieces import LIVE_MINUTES, Pieces
from services.aggregator.put_back import put_back
from services.core.store.computation import computable_ranges, compute
from services.core.store.computation.ranges import Ranges
from services.core.store.computation.series_hours import given_hours
from services.core.store.emissions import (
    claims,
    deferred_minutes,
    facility_progress,
    hour_closing,
    left_over,
    minutes_and_hours,
    retired_facilities,
    window_advance,
    window_changes,
)
from services.core.store.emissions.facility_progress import Progress
from services.core.store.emissions.live_minutes import LiveMinutes
from services.core.store.emissions.minute_changes import Changes
from services.core.store.emissions.packing import days as minute_days
from services.core.store.emissions.queued_minutes import QueuedMinutes
from services.core.store.registry import read
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema import restatement_reasons as why
from services.core.timeline.instants import DAY_MINUTES


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
class _TickContext:
    """What the steps of one tick have in common."""

    connection: psycopg.Connection[Any]
    plan: FacilityPlan
    now: datetime
    current_minute: int
    readings: HeadReadings
    live_minutes: LiveMinutes
    pieces: Pieces
    #: there may be minutes that follow a new factor
    has_deferred: bool
    #: minutes wait that did not fit into a tick
    rest_waits: bool
    #: masses of some minutes cannot be
    noted: bool
    #: days before this one are packed at once
    pack_before: int
    #: the first minute from which on no reading was dropped; None: not known
    readings_from: int | None
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
    def packed_before(self) -> int:
        """The first minute that is too young to be packed."""
        return self.pack_before * DAY_MINUTES

    @property
    def live_from(self) -> int:
        """The first minute that a live total may be about."""
        return (self.current_minute - LIVE_MINUTES) // 60 * 60


def tick(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    now: datetime,
    head: Head | None = None,
    pieces: Pieces | None = None,
    *,
    history_first: bool = False,
    trial: bool = False,
    hold_closing: bool = False,
    dated: datetime | None = None,
    pack_before: int = 0,
    revision: int | None = None,
) -> Ticked:
    """Work off what is due for one facility; return what was done.

    Blocks for as long as the database works, on a piece of the work that ``pieces`` bounds. On
    return it is committed and announced by NOTIFY, or, where another aggregator has the facility,
    nothing was done. ``head`` is what this process remembers of the facility, if it does. With
    ``history_first`` a piece of what is queued is computed and nothing else, else what arrived: who
    calls takes them in turns. A ``trial`` does the same and takes it all back. With
    ``hold_closing`` no hour is closed: the time may be wrong. ``dated``: see :func:`.claim.lock`.
    ``pack_before``: see :func:`.minutes_and_hours.record`. ``revision``: of the registry that the
    plan is of; None: of this one.

    :raises psycopg.errors.SerializationFailure: the registry changed since the plan was read;
        nothing was done.
    """
    head = Head() if head is None else head
    with connection.transaction() as transaction:
        if not claims.lock(connection, plan.id, dated):
            return Ticked(worked=False)
        _require_revision(connection, revision)
        progress = facility_progress.read(connection, plan.id, now)
        reopened = None
        if progress.ahead:
            reopened = put_back(connection, plan, now)
            progress = facility_progress.read(connection, plan.id, now)
        sequence = progress.sequence
        # another aggregator may be ahead by a moment: what it carried values into is not the future
        current_minute = max(int(now.timestamp()) // 60, progress.carried_to or 0)
        context = _TickContext(
            connection=connection,
            plan=plan,
            now=now,
            current_minute=current_minute,
            readings=head.begin(
                connection, plan, sequence, current_minute, progress.unpacked_from_day
            ),
            live_minutes=head.minutes,
            pieces=Pieces() if pieces is None else pieces,
            has_deferred="factor" in progress.queued or progress.has_deferred,
            rest_waits="rest" in progress.queued,
            noted=progress.noted,
            pack_before=pack_before,
            readings_from=progress.readings_from,
        )
        if context.has_deferred:
            # those that follow change without being computed
            head.minutes.forget()
        if reopened is not None:
            # before windows are made anew, which then hold it already
            _reopen(context, *reopened)
        history = None
        if history_first and reopened is None:
            history = _history(context, progress)
        done, changed = history or _steps(
            context, progress, hold_closing=hold_closing, reopened=reopened is not None
        )
        if trial:
            raise psycopg.Rollback(transaction)
    head.keep(sequence + changed)
    return done


def _require_revision(connection: psycopg.Connection[Any], revision: int | None) -> None:
    """Let nothing be computed by a plan that is older than the registry.

    Whoever changes it has what is known computed again, and holds the facility until the change is
    there: what is computed from then on, by the plan of before, nobody would compute again.
    """
    if revision is not None and read.revision(connection) != revision:
        raise psycopg.errors.SerializationFailure("the registry changed while a plan was in use")


def _steps(
    context: _TickContext, progress: Progress, *, hold_closing: bool, reopened: bool
) -> tuple[Ticked, bool]:
    """All steps of a tick; returns what was done, and whether anything is seen of it."""
    connection, plan, now = context.connection, context.plan, context.now
    # where closing is held back, what waits for it goes on waiting and is no work
    hours_wait = progress.hours_wait and not hold_closing
    refactored, followed = _new_factor(context, progress)
    arrived = _compute_invalidated(context)
    # what is queued by now may have come from this tick
    history_waits = context.rest_waits or "readings" in progress.queued
    # what arrived is to be seen at once, and not when a piece of history is done
    asked_for = not arrived and history_waits and _asked_for(context, progress)
    minute_began = _minute_began(context, progress)
    rolled_to = facility_progress.windows_minute(plan.id, now)
    windows_due = _windows_due(context, progress) or (arrived and _has_new_source(context))
    worked = arrived or asked_for or reopened or refactored is not None
    if not (worked or minute_began or windows_due or hours_wait):
        # minutes that follow change nothing that anybody sees, and no readings
        return Ticked(worked=followed, more=followed), False
    if minute_began:
        _carry(context, progress.carried_to)
    windows_wait = False
    if windows_due:
        rolled_due = rolled_to
        rolled_to = minute_rollover.move_windows(connection, plan, progress.rolled_to, rolled_due)
        windows_wait = rolled_to < rolled_due
    if (minute_began or hours_wait) and not hold_closing:
        hours_wait = _close(context)
    if windows_wait:
        # they would be brought up to now minute by minute, only to be judged
        evaluate.postpone(connection, plan, context.changed_ranges)
    else:
        evaluate.thresholds(connection, plan, context.changed_ranges, now, progress)
    facility_progress.advance(
        connection,
        plan.id,
        slug=plan.slug,
        hours_wait=progress.hours_wait if hold_closing else hours_wait,
        carried_to=context.current_minute,
        rolled_to=rolled_to,
    )
    if plan.retirement is not None:
        retired_facilities.settle(connection, plan.id, minute=plan.retirement.minute)
    return Ticked(
        worked=True,
        more=(
            context.more
            or hours_wait
            or windows_wait
            or refactored is not None
            or followed
            or (arrived and history_waits)
        ),
        minutes=context.minutes,
        old_minutes=context.old_minutes,
        restated_hours=context.restated_hours + (refactored or 0),
        history_waits=arrived and history_waits,
    ), True


def _minute_began(context: _TickContext, progress: Progress) -> bool:
    return progress.carried_to is None or progress.carried_to < context.current_minute


def _windows_due(context: _TickContext, progress: Progress) -> bool:
    due_to = facility_progress.windows_minute(context.plan.id, context.now)
    return progress.rolled_to is None or progress.rolled_to < due_to


def _has_new_source(context: _TickContext) -> bool:
    """Return whether a source with changed minutes has no windows: whoever looks is to see them."""
    return window_advance.lacking(context.connection, list(context.changed_ranges.sources))


def _history(context: _TickContext, progress: Progress) -> tuple[Ticked, bool] | None:
    """Compute a piece of what is queued and nothing else; None: something else comes first.

    That is a new factor, and what a minute brings: limits are judged with windows of now.
    """
    if not (context.rest_waits or "readings" in progress.queued):
        return None
    if (
        "factor" in progress.queued
        or _minute_began(context, progress)
        or _windows_due(context, progress)
    ):
        return None
    if not _asked_for(context, progress):
        return None
    evaluate.thresholds(
        context.connection, context.plan, context.changed_ranges, context.now, progress
    )
    facility_progress.advance(
        context.connection, context.plan.id, slug=context.plan.slug, hours_wait=progress.hours_wait
    )
    return Ticked(
        worked=True,
        more=True,
        minutes=context.minutes,
        old_minutes=context.old_minutes,
        restated_hours=context.restated_hours,
    ), True


def _compute_invalidated(context: _TickContext) -> bool:
    """Compute what readings changed, the newest first; return whether any did."""
    connection, plan = context.connection, context.plan
    claimed = claims.pairs(connection, plan.id, context.pieces.pairs)
    if claimed is None:
        return False
    every = Invalidations.claimed(claimed)
    # those that no source uses are watched by limits alone
    context.changed_ranges.add_channels(every)
    changed = every.among(plan.arrays.channel_ids)
    ranges = due.invalidated_ranges(context.readings, plan, changed, context.newest_minute)
    work = due.work_on(connection, plan, changed, ranges)
    if context.rest_waits:
        waiting = left_over.reasons(connection, plan.id, ranges.by_id())
        work = replace(work, reasons={**dict(work.reasons), **waiting})
    context.more |= changed.more or changed.reason is not None
    _compute(context, _fitting(context, work, live_only=changed.more, since=claimed.since))
    return True


def _asked_for(context: _TickContext, progress: Progress) -> bool:
    """Compute a piece of what is queued; return whether anything was."""
    limit = max(context.pieces.old - context.old_minutes, context.pieces.old // 4, 60)
    work = due.asked_for(
        context.connection,
        context.plan,
        limit,
        context.newest_minute,
        # in turns, so that neither waits for the end of the other; each second tick is of history
        rest_first=progress.sequence // 2 % 2 == 0,
        packed_before=context.packed_before,
    )
    if work is None:
        return False
    context.more = True
    context.old_minutes += int((work.ranges.lasts - work.ranges.firsts).sum()) + len(work.ranges)
    _compute(context, work)
    return True


def _fitting(
    context: _TickContext, work: Work, *, live_only: bool = False, since: datetime | None = None
) -> Work:
    """Return the work that fits into this tick; queue the rest, and all that is set aside.

    ``since``: when it came to wait; None: now.
    """
    ranges, aside = work.ranges, work.ranges.where(np.zeros(len(work.ranges), np.bool_))
    if context.plan.set_aside:
        left_alone = np.isin(ranges.ids, list(context.plan.set_aside))
        ranges, aside = ranges.where(~left_alone), ranges.where(left_alone)
    work_split = pieces_of.split(
        ranges,
        context.pieces,
        context.live_from,
        live_only=live_only,
        packed_before=context.packed_before,
    )
    context.old_minutes += work_split.old_minutes
    if len(work_split.later) or len(aside):
        context.rest_waits = True
        context.more |= len(work_split.later) > 0
        left_over.put(
            context.connection,
            context.plan.id,
            [
                QueuedMinutes(
                    source_id=source_id,
                    interval=interval,
                    reason=work.reasons[source_id],
                    since=since,
                )
                for part in (work_split.later, aside)
                for source_id, of_source in part.by_id().items()
                for interval in of_source
            ],
        )
    return work.but(work_split.now)


def _new_factor(context: _TickContext, progress: Progress) -> tuple[int | None, bool]:
    """Take a new factor first: what is computed after it has it, under a reason of its own.

    Returns the closed hours restated (None: nothing waits for one), and whether minutes followed.
    """
    refactored = None
    if "factor" in progress.queued:
        noted = (
            impossible.sources(context.connection, context.plan) if context.noted else set[int]()
        )
        refactored = restate_factor.step(
            context.connection, context.plan, context.changed_ranges, noted
        )
    if refactored is None and progress.has_deferred:
        return None, follow_factor.step(context.connection, context.plan)
    return refactored, False


def _carry(context: _TickContext, carried_to: int | None) -> None:
    """Carry values that hold into the minute that began."""
    if carried_to is None or carried_to >= context.newest_minute:
        return
    ranges = minute_rollover.carry_forward(
        context.connection, context.plan, carried_to, context.newest_minute
    )
    reasons = dict.fromkeys(ranges, why.HELD_ON)
    _compute(
        context,
        _fitting(context, Work(ranges=Ranges.from_intervals(ranges).union()[0], reasons=reasons)),
    )


def _reopen(context: _TickContext, finalised: Finalised, hours: Mapping[int, set[int]]) -> None:
    """Take out of the totals what closing hours too early had added; they are open again."""
    _apply(context, Changes.none(), finalised, hours, dict.fromkeys(hours, why.RECOMPUTATION))


def _close(context: _TickContext) -> bool:
    """Close what is due; return whether more can be closed at once."""
    connection, plan, now = context.connection, context.plan, context.now
    more_to_close = minute_rollover.close_hours(connection, plan, now)
    hours, more = close_hours.due(connection, plan, now, minute_rollover.SETTLE_S)
    if hours:
        finalised = close_hours.finalise(connection, plan, hours, now)
        added = why.reason(why.SOURCE_CONFIGURATION, "validity or substitution rule added")
        _apply(context, Changes.none(), finalised, hours, dict.fromkeys(hours, added))
    ended = close_hours.period_ended(connection, plan, now)
    if ended:
        resolved = why.reason(why.SUBSTITUTION_RESOLVED, "the reporting period ended")
        finalised = close_hours.finalise(connection, plan, ended, now)
        _apply(context, Changes.none(), finalised, ended, dict.fromkeys(ended, resolved))
    if plan.retirement is not None and not hours:
        more_to_close |= close_hours.close_last(connection, plan, plan.retirement, now)
    means, more_means = close_pollutants.due(connection, plan, now, minute_rollover.SETTLE_S)
    context.changed_ranges.add_means(close_pollutants.form(connection, plan, means, {}))
    return more or more_to_close or more_means


def _compute(context: _TickContext, work: Work) -> None:
    """Compute and write."""
    connection, plan = context.connection, context.plan
    ranges = computable_ranges.ranges(
        connection, plan, work.ranges, readings_from=context.readings_from
    )
    opened = _open_days(context, ranges)
    # what is opened may have to follow a new factor
    if opened or context.has_deferred:
        deferred_minutes.settle(connection, plan.id, ranges.by_id())
    computed = (
        compute.sources(context.readings, given_hours(connection, plan, ranges), ranges)
        if len(ranges)
        else []
    )
    context.noted = impossible.note(connection, plan, ranges, computed, noted=context.noted)
    changes = (
        minutes_and_hours.record(
            connection, computed, context.live_minutes, plan=plan, pack_before=context.pack_before
        )
        if computed
        else Changes.none()
    )
    again = close_hours.recorded_again(
        connection, close_hours.affected(plan, ranges), work.hours_to_finalise
    )
    finalised = close_hours.finalise(connection, plan, again, context.now)
    # where nothing is judged nobody asks which hours changed
    hours: dict[int, set[int]] = changes.hours() if again else {}
    for source_id, of_source in again.items():
        hours.setdefault(source_id, set()).update(of_source)
    _apply(context, changes, finalised, hours, work.reasons)
    means = close_pollutants.again(connection, plan, ranges, context.now)
    context.changed_ranges.add_means(close_pollutants.form(connection, plan, means, work.reasons))
    context.minutes += sum(source.minutes.size for source in computed)


def _open_days(context: _TickContext, ranges: Ranges) -> int:
    """Open packed days of sources under a rule, whose closing writes into minutes once more.

    Others are computed as they are packed. Returns how many were opened.
    """
    old = minute_days.may_be_packed(ranges.firsts)
    if not old.any():
        return 0
    under_rule = [s.id for s in context.plan.sources.values() if s.closing is not None]
    chosen = ranges.where(old & np.isin(ranges.ids, under_rule))
    return minute_days.open_ranges(context.connection, chosen.ids, chosen.firsts, chosen.lasts)


def _apply(
    context: _TickContext,
    changes: Changes,
    finalised: Finalised,
    hours: Mapping[int, Collection[int]],
    reasons: Mapping[int, str],
) -> None:
    """Bring minutes' changes and verdicts into hours and windows; each hour changes once.

    ``reasons`` are those of ``hours``, by source; others changed because their substitutes did.
    """
    connection = context.connection
    direct, indirect = finalised.adjustments.split(hours)
    direct = changes.plus(direct)
    context.restated_hours += minutes_and_hours.change_hours(
        connection, direct, _of_ended(context, direct, reasons)
    )
    resolved = {
        source_id: why.reason(
            why.SUBSTITUTION_RESOLVED, why.hours_between(min(of_source), max(of_source))
        )
        for source_id, of_source in hours.items()
        if of_source
    }
    context.restated_hours += minutes_and_hours.change_hours(connection, indirect, resolved)
    changed = direct.plus(indirect)
    window_changes.change(
        connection, changed, minute_rollover.windows_through(context.current_minute)
    )
    context.changed_ranges.add(changed, reasons)
    hour_closing.record_verdicts(
        connection,
        finalised.verdicts,
        lambda v: (reasons if v.hour in hours.get(v.source_id, ()) else resolved).get(v.source_id),
    )


def _of_ended(
    context: _TickContext, changes: Changes, reasons: Mapping[int, str]
) -> dict[int, str]:
    """Return the reasons of changes of ended hours: only such an hour can be closed."""
    ended = changes.columns["minutes"] < context.current_minute // 60 * 60
    sources = np.unique(changes.columns["sources"][ended]).tolist()
    return {source: reasons[source] for source in sources if source in reasons}
