"""The aggregator's main loop: wake on NOTIFY or when a minute begins, tick what is due."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import structlog

from services.aggregator import claim
from services.aggregator.recent import Recent
from services.aggregator.retention import Retention
from services.aggregator.tick import tick
from services.core.runtime import metrics
from services.core.runtime.clock import Clock
from services.core.runtime.progress import ProgressReporter
from services.core.runtime.shutdown import Shutdown
from services.core.store import hour_closing, notify
from services.core.store.registry import read
from services.core.store.registry.plan import FacilityPlan, facility_plans

log = structlog.get_logger()

#: Longest wait without looking: a lost notification costs no more than this.
_LOOK_S = 1.0
#: How often open hours are looked at: they are many, and slow.
_LOOK_AT_HOURS_S = 15.0

#: What arrives meanwhile is computed together: a facility is ticked once in each such span of the
#: clock, all of them one after the other. One that was quiet is ticked at once, and so is one with
#: queued work.
_PACE_S = 0.4

#: A facility that another aggregator ticked less than this ago is left to it: it remembers what it
#: has read. Where that one is gone, or cannot keep up, the facility changes hands.
_LEAVE_S = 1.0


class Loop:
    """Ticks every facility that has work, on one connection, until asked to stop."""

    def __init__(
        self, *, clock: Clock, shutdown: Shutdown, progress: ProgressReporter, retention: Retention
    ) -> None:
        self._clock = clock
        self._shutdown = shutdown
        self._progress = progress
        self._retention = retention
        self._plans: dict[int, FacilityPlan] = {}
        self._recent: dict[int, Recent] = {}
        self._revision = -1
        self._look_at_hours_s = 0.0
        #: when a facility may be ticked again, in seconds of the monotonic clock
        self._paced_until_s: dict[int, float] = {}

    def run(self, connection: psycopg.Connection[Any]) -> None:
        """Turn until a stop is asked for; ``connection`` is in autocommit mode.

        :raises psycopg.OperationalError: the database went away; nothing was half done.
        """
        connection.execute(f"LISTEN {notify.TOUCHED}")
        connection.execute(f"LISTEN {notify.REGISTRY}")
        self._revision = -1
        while not self._shutdown.requested:
            worked = self.turn(connection)
            if not worked and not self._shutdown.requested:
                self._wait(connection)
        self._progress.forget(connection)

    def turn(self, connection: psycopg.Connection[Any]) -> bool:
        """Tick each facility that has work once; return whether there was any."""
        self._refresh_plans(connection)
        worked = False
        for each in claim.waiting(connection, self._clock.now()):
            facility_id, started = each.facility_id, time.monotonic()
            if facility_id not in self._plans or self._shutdown.requested:
                continue
            if started < self._paced_until_s.get(facility_id, 0.0):
                continue
            recent = self._recent.setdefault(facility_id, Recent())
            if not recent.is_of(each.sequence) and each.idle_s < _LEAVE_S:
                self._pace(facility_id, started)
                continue
            done = tick(connection, self._plans[facility_id], self._clock.now(), recent)
            if done.worked:
                worked = True
                if not done.more:
                    self._pace(facility_id, started)
                metrics.aggregator_ticks.inc()
                metrics.aggregator_tick_seconds.observe(time.monotonic() - started)
                metrics.aggregator_minutes.inc(done.minutes)
                metrics.aggregator_restated_hours.inc(done.restated_hours)
        self._retention.step(connection, self._clock.now())
        if self._progress.due:
            self._report(connection)
        return worked

    def _pace(self, facility_id: int, since_s: float) -> None:
        self._paced_until_s[facility_id] = (since_s // _PACE_S + 1) * _PACE_S

    def _refresh_plans(self, connection: psycopg.Connection[Any]) -> None:
        revision = read.revision(connection)
        if revision != self._revision:
            self._plans = facility_plans(connection)
            self._recent = {}
            self._revision = revision
            log.info("registry read", revision=revision, facilities=len(self._plans))

    def _report(self, connection: psycopg.Connection[Any]) -> None:
        row = connection.execute("SELECT count(*) FROM touched").fetchone()
        backlog = int(row[0]) if row else 0
        metrics.aggregator_backlog_rows.set(backlog)
        if time.monotonic() >= self._look_at_hours_s:
            self._look_at_hours_s = time.monotonic() + _LOOK_AT_HOURS_S
            metrics.aggregator_overdue_seconds.set(hour_closing.overdue_s(connection))
        self._progress.report(connection, {"backlog_batches": backlog})

    def _wait(self, connection: psycopg.Connection[Any]) -> None:
        """Until a facility that may be ticked has work, or may be ticked again; or to look."""
        now_s = time.monotonic()
        self._paced_until_s = {f: s for f, s in self._paced_until_s.items() if s > now_s}
        to_next_minute_s = 60.0 - self._clock.now().timestamp() % 60.0
        until_s = min(
            now_s + _LOOK_S, now_s + to_next_minute_s + 0.001, *self._paced_until_s.values()
        )
        for told in connection.notifies(timeout=max(0.0, until_s - now_s)):
            of_facility = told.channel == notify.TOUCHED and told.payload.isdecimal()
            if not of_facility or int(told.payload) not in self._paced_until_s:
                return
