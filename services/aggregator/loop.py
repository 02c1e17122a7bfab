"""The aggregator's main loop: wake on NOTIFY or when a minute begins, tick what is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog

from services.aggregator.base_years import BaseYears
from services.aggregator.fair_turns import FairTurns
from services.aggregator.head import Head
from services.aggregator.packing import Packing
from services.aggregator.pieces import Pieces
from services.aggregator.published_values import PublishedValues
from services.aggregator.retention import Retention
from services.aggregator.setbacks import NOBODYS_FAULT, Setbacks
from services.aggregator.summing import Summing
from services.aggregator.tick import tick
from services.core.runtime import metrics, tracing
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import database_time, notify
from services.core.store.database.progress import ProgressReporter
from services.core.store.emissions import claims, facility_progress, hour_closing, left_over
from services.core.store.registry import read
from services.core.store.registry.plan import FacilityPlan, usable_plans

log = structlog.get_logger()

#: Longest wait without looking: a lost notification costs no more than this.
_LOOK_S = 1.0
#: How often open hours are looked at: they are many, and slow.
_LOOK_AT_HOURS_S = 15.0

#: What arrives meanwhile is computed together: a facility is ticked once in each such span of the
#: clock, all of them one after the other. One that was quiet is ticked at once, and so is one with
#: queued work.
_PACE_S = 0.5

#: A facility that another aggregator ticked less than this ago is left to it: it remembers what it
#: has read. Where that one is gone, or cannot keep up, the facility changes hands.
_LEAVE_S = 1.0

#: After about so long it is looked again who waits, so that nobody waits for all that others have.
_LOOK_AGAIN_S = 0.4


class Loop:
    """Ticks every facility that has work, on one connection, until asked to stop."""

    def __init__(
        self,
        *,
        clock: SteadyTime,
        shutdown: Shutdown,
        progress: ProgressReporter,
        retention: Retention,
        packing: Packing,
        summing: Summing,
        base_years: BaseYears,
        published: PublishedValues,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._clock = clock
        self._shutdown = shutdown
        self._progress = progress
        self._retention = retention
        self._packing = packing
        self._summing = summing
        self._base_years = base_years
        self._published = published
        self._plans: dict[int, FacilityPlan] = {}
        self._heads: dict[int, Head] = {}
        #: of facilities of which something is set aside, or was
        self._reduced: dict[int, FacilityPlan] = {}
        self._revision = -1
        self._look_at_hours_s = 0.0
        #: when a facility may be ticked again, in seconds of the monotonic clock
        self._paced_until_s: dict[int, float] = {}
        self._turns = FairTurns()
        self._pieces: dict[int, Pieces] = {}
        #: facilities whose last tick computed what arrived, and left older work to the next one
        self._history_first: set[int] = set()
        self._setbacks = Setbacks(monotonic)
        self._steps = tracing.StepsBefore()

    def run(self, connection: psycopg.Connection[Any]) -> None:
        """Turn until a stop is asked for; ``connection`` is in autocommit mode.

        :raises psycopg.OperationalError: the database went away; nothing was half done.
        """
        notify.listen(connection, notify.INVALIDATED, notify.REGISTRY, notify.FACTOR_VALUES)
        if tracing.enabled():
            notify.listen(connection, notify.TRACED_READINGS)
        self._revision = -1
        while not self._shutdown.requested:
            worked = self.run_once(connection)
            if not worked and not self._shutdown.requested:
                self._wait(connection)
        self._progress.forget(connection)

    def run_once(self, connection: psycopg.Connection[Any]) -> bool:
        """Tick facilities that have work, those first that cost least; return whether any had.

        Each at most once, and no more of them than take about :data:`_LOOK_AGAIN_S`. Values that
        were published are taken before: what they restate is work of this turn.
        """
        self._hear_all(connection)
        database_time.look(connection, self._clock)
        self._refresh_plans(connection)
        self._setbacks.refresh(connection, self._revision)
        worked, began = self._published.step(connection, self._clock.now()), self._monotonic()
        waiting = {
            facility.facility_id: facility
            for facility in facility_progress.waiting(connection, self._clock.now())
        }
        for facility_id in self._turns.order(list(waiting)):
            facility, started = waiting[facility_id], self._monotonic()
            if facility_id not in self._plans or self._shutdown.requested:
                continue
            if started < self._paced_until_s.get(facility_id, 0.0):
                continue
            if self._setbacks.is_left_alone(facility_id):
                continue
            head = self._heads.setdefault(facility_id, Head())
            if not head.is_of(facility.sequence) and facility.idle_s < _LEAVE_S:
                self._pace(facility_id, started)
                continue
            try:
                worked |= self._work(connection, facility_id, head, started)
            finally:
                self._turns.spent(facility_id, self._monotonic() - started)
            if self._monotonic() - began > _LOOK_AGAIN_S:
                break
        if self._clock.steady:
            # what is dropped does not come back
            self._retention.step(connection, self._clock.now())
            busy = worked
            worked |= self._packing.step(
                connection, self._clock.now(), plans=self._plans, busy=busy
            )
            worked |= self._summing.step(connection, self._clock.now(), busy=busy)
            self._base_years.step(connection, self._clock.now(), busy=busy)
        if self._progress.due:
            self._report(connection)
        return worked

    def _work(
        self,
        connection: psycopg.Connection[Any],
        facility_id: int,
        head: Head,
        started: float,
    ) -> bool:
        """Tick one facility, or do what comes before that; return whether anything was done."""
        plan, now = self._plans[facility_id], self._clock.now()
        if self._setbacks.first(connection, plan, now):
            return True
        usual = self._pieces.get(facility_id, Pieces())
        try:
            with tracing.step(
                "aggregator.tick", self._steps.take(str(facility_id)), facility=plan.slug
            ):
                done = tick(
                    connection,
                    self._without(plan),
                    now,
                    head,
                    self._setbacks.pieces(facility_id, usual),
                    history_first=facility_id in self._history_first,
                    hold_closing=self._clock.is_frozen,
                    dated=now,
                    pack_before=0 if self._clock.is_frozen else self._packing.first_warm_day(now),
                    revision=self._revision,
                )
        except psycopg.errors.SerializationFailure:
            # a late reading opened a packed day while it was read: the next tick reads its rows; or
            # the registry changed since the plan was read
            return True
        except (psycopg.errors.UndefinedTable, *NOBODYS_FAULT):
            raise
        except Exception as error:
            if connection.closed:
                # the database is away, or this took too long for it
                self._setbacks.cut(plan)
                raise
            self._setbacks.failed(plan, error)
            return True
        took_s = self._monotonic() - started
        self._setbacks.record_success(connection, plan)
        self._history_first.discard(facility_id)
        if done.history_waits:
            self._history_first.add(facility_id)
        if done.worked:
            if not done.more:
                self._pace(facility_id, started)
            self._pieces[facility_id] = usual.after(took_s, done.old_minutes)
            metrics.aggregator_ticks.inc()
            metrics.aggregator_tick_seconds.observe(took_s)
            metrics.aggregator_minutes.inc(done.minutes)
            metrics.aggregator_restated_hours.inc(done.restated_hours)
        return done.worked

    def _without(self, plan: FacilityPlan) -> FacilityPlan:
        """Return the plan without what is set aside; the same object while that is the same."""
        reduced = self._setbacks.plan(plan)
        if reduced.set_aside != self._reduced.get(plan.id, plan).set_aside:
            self._reduced[plan.id] = reduced
        return self._reduced.get(plan.id, plan)

    def _pace(self, facility_id: int, since_s: float) -> None:
        self._paced_until_s[facility_id] = (since_s // _PACE_S + 1) * _PACE_S

    def _refresh_plans(self, connection: psycopg.Connection[Any]) -> None:
        revision = read.revision(connection)
        if revision != self._revision:
            self._plans, failures = usable_plans(connection)
            for facility_id, error in failures.items():
                self._setbacks.unplanned(connection, facility_id, error, revision)
            self._heads = {}
            self._reduced = {}
            self._turns.keep(self._plans)
            self._revision = revision
            log.info("registry read", revision=revision, facilities=len(self._plans))

    def _report(self, connection: psycopg.Connection[Any]) -> None:
        backlog = claims.backlog(connection)
        metrics.aggregator_backlog_rows.set(backlog)
        metrics.aggregator_waiting_minutes.set(left_over.waiting_minutes(connection))
        if time.monotonic() >= self._look_at_hours_s:
            self._look_at_hours_s = time.monotonic() + _LOOK_AT_HOURS_S
            metrics.aggregator_overdue_seconds.set(hour_closing.overdue_s(connection))
        metrics.aggregator_clock_jump_seconds.set(self._clock.jump_s)
        metrics.aggregator_clock_ahead_seconds.set(self._clock.machine_ahead_s)
        self._progress.report(
            connection,
            {
                "backlog_batches": backlog,
                "notices": [
                    *self._clock.notices(),
                    *self._retention.notices(),
                    *self._packing.notices(),
                    *self._summing.notices(),
                    *self._base_years.notices(),
                    *self._published.notices(),
                ],
            },
        )

    def _wait(self, connection: psycopg.Connection[Any]) -> None:
        """Until a facility that may be ticked has work, or may be ticked again; or to look."""
        now_s = self._monotonic()
        self._paced_until_s = {f: s for f, s in self._paced_until_s.items() if s > now_s}
        to_next_minute_s = 60.0 - self._clock.now().timestamp() % 60.0
        until_s = min(
            now_s + _LOOK_S, now_s + to_next_minute_s + 0.001, *self._paced_until_s.values()
        )
        for notice in connection.notifies(timeout=max(0.0, until_s - now_s)):
            if self._hear(notice):
                continue
            of_facility = notice.channel == notify.INVALIDATED and notice.payload.isdecimal()
            if not of_facility or int(notice.payload) not in self._paced_until_s:
                return

    def _hear(self, notice: psycopg.Notify) -> bool:
        """Note the step that a notification tells of; return whether it does."""
        if notice.channel != notify.TRACED_READINGS:
            return False
        self._steps.note(notice.payload)
        return True

    def _hear_all(self, connection: psycopg.Connection[Any]) -> None:
        """Note the steps that were told of; what they led to is committed, and seen next."""
        if tracing.enabled():
            for notice in connection.notifies(timeout=0):
                self._hear(notice)
