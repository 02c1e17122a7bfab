"""The way of a message, in order: receive, prepare (route, decode, resolve, check), write, ack.

Between two batches comes a piece of history that waits to be written, and a step of what is
replayed from quarantine, if that was asked for.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import psycopg
import structlog

from services.core.runtime import metrics, tracing
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import database_time
from services.core.store.database.progress import DISCOVERY, ProgressReporter
from services.core.store.operations.broker_sessions import BrokerSession
from services.core.store.operations.heard_topics import HEARD_REVISION
from services.core.store.operations.notices import FILTER_REFUSED
from services.core.store.readings import quarantine
from services.ingest.alone import Alone
from services.ingest.arrivals import Arrivals
from services.ingest.database import Database, StoppedError
from services.ingest.measure import Measures
from services.ingest.prepare import Prepared, TimeBounds, prepare
from services.ingest.presence import Presence
from services.ingest.quarantine.allowance import Allowance
from services.ingest.quarantine.replay import Replay
from services.ingest.resolve import RegistryCache
from services.ingest.sources.door import Door
from services.ingest.sources.listening import Listening
from services.ingest.sources.source import Connector, Host, Message, MessageSource
from services.ingest.times_before import TimesBefore
from services.ingest.write import write
from services.ingest.write_queue import WriteQueue

_log: Final = structlog.get_logger()

#: How long a turn without messages takes: progress is reported and a stop noticed in between.
_IDLE_S: Final = 0.25

#: Batches that may wait in memory when a stop is asked for.
_LAST_BATCHES: Final = 3

#: Refused filters that readiness names.
_MAX_REFUSED_SHOWN: Final = 20

_SESSION_KNOWN: Final = (
    "ingest's session at the broker has the client id tonne-ingest, which anybody can guess, and at"
    " NATS every account may take; give it a secret one, as deploy/docs/howto/brokers.md says"
)

_SPARKPLUG_OFF: Final = (
    "devices are of Sparkplug and are not heard: set TONNE_SPARKPLUG_URL to a broker's MQTT address"
    " and an account, as deploy/docs/howto/devices/sparkplug.md says"
)

#: How long a change of the registry may go unnoticed while all devices are known, and one of the
#: database's clock.
_LOOK_S: Final = 1.0


class Beside(Protocol):
    """Hears devices that nobody registered, beside what is durable."""

    def start(self) -> None:
        """Begin; returns at once."""

    @property
    def stage(self) -> str:
        """How far it is; ``begins``: what is published now may not be heard yet."""

    @property
    def trouble(self) -> str:
        """Why it hears nothing, or nothing."""


class Pipeline:
    """Ingest's main loop."""

    def __init__(
        self,
        *,
        source: MessageSource,
        doors: Sequence[Door] = (),
        sparkplug: Host | None = None,
        connections: Connector,
        clock: SteadyTime,
        session: BrokerSession | None,
        database: Database,
        shutdown: Shutdown,
        bounds: TimeBounds,
        batch_messages: int,
        batch_rows: int,
        flush_interval_s: float,
        mapping_steps: int,
        progress: ProgressReporter,
    ) -> None:
        self._source = source
        self._doors = tuple(doors)
        self._sparkplug = sparkplug
        self._connections = connections
        self._hosts: list[Host] = [connections] if sparkplug is None else [sparkplug, connections]
        self._listening = Listening(source, session)
        self._session_is_known = session is not None and session.is_known
        self._database = database
        self._shutdown = shutdown
        self._bounds = bounds
        self._batch_messages = batch_messages
        self._flush_interval_s = flush_interval_s
        self._progress = progress
        self._registry = RegistryCache(max_steps=mapping_steps)
        self._presence = Presence()
        self._allowance = Allowance()
        self._arrivals = Arrivals()
        self._times = TimesBefore()
        self._alone = Alone(database, bounds.alone_after)
        self._replay = Replay(database, bounds, self._alone)
        self._clock = clock
        self._look_at = 0.0
        self._queue = WriteQueue(
            partial(write, database, allowance=self._allowance), max_rows=batch_rows
        )
        self._measures = Measures()
        #: of this process, so that ids of batches are of no other
        self._run = secrets.token_hex(4)
        self._batches = 0
        self._beside: Beside | None = None
        #: of the registry: the newest revision whose topics the broker brings
        self._heard_revision = 0
        #: what was reported last of what others wait for
        self._reported: tuple[int, str] | None = None

    def is_taken(self, topic: str) -> bool:
        """Whether messages at a topic are of registered devices, or of those of before."""
        return self._registry.directory.takes(topic)

    @property
    def clock(self) -> SteadyTime:
        """The time at which messages arrive."""
        return self._clock

    def run(self, beside: Beside | None = None) -> None:
        """Turn until a stop is asked for; what is in hand is finished and acknowledged.

        ``beside`` is started once the registry is known.

        :raises SourceError, DatabaseUnusableError: it cannot go on; the process must end.
        """
        self._beside = beside
        try:
            # the registry names the topics, so the database comes first
            self._database.run(self._begin)
            for door in self._doors:
                door.start()
            if beside is not None:
                beside.start()
            while not self._shutdown.requested:
                self.run_once()
            self._close_hosts()
            while self._queue.busy:
                self._write_piece()
            self._database.run(self._farewell)
        except StoppedError:
            # what is in hand was never acknowledged: the broker delivers it again
            return
        finally:
            for door in self._doors:
                door.close()
            for host in self._hosts:
                host.close()
            self._source.close()
            self._database.close()

    def _close_hosts(self) -> None:
        """Take what they were handed: nobody delivers it again."""
        for host in self._hosts:
            host.close()
        for _ in range(_LAST_BATCHES):
            if self._source.inbox.is_empty:
                return
            self.run_once()

    def run_once(self) -> None:
        """One batch, or one look at an idle world."""
        messages, brought = self._receive()
        if messages or brought:
            # what is logged from here on is of this batch, until the next one
            self._batches += 1
            structlog.contextvars.bind_contextvars(batch=f"{self._run}-{self._batches}")
        if self._replay.busy or time.monotonic() >= self._look_at:
            self._database.run(self._look)
            if self._replay.step(self._registry.directory):
                self._allowance.expire()
        if messages or brought:
            with tracing.step("ingest.batch", batch=f"{self._run}-{self._batches}"):
                self._work_off(messages, brought)
        if self._queue.busy:
            self._write_piece()
        if self._presence.due or self._report_due:
            self._database.run(self._report)

    def _work_off(self, messages: Sequence[Message], brought: Sequence[Message]) -> None:
        """Prepare and write what a broker and what doors brought."""
        started = time.monotonic()
        prepared = [self._queued(messages, in_order=True), self._queued(brought, in_order=False)]
        while self._queue.has_live:
            self._write_piece(started)
            started = time.monotonic()
        for batch in prepared:
            self._presence.note(batch.sightings)
        self._alone.settle(self._registry.directory)

    def _queued(self, messages: Sequence[Message], *, in_order: bool) -> Prepared:
        """Prepare messages, and let them wait to be written."""
        if not messages:
            return Prepared()
        prepared = self._prepare(messages)
        if prepared.quarantine and self._allowance.due:
            self._database.run(self._look_at_quarantine)
        self._queue.add(messages, prepared, in_order=in_order)
        return prepared

    def _receive(self) -> tuple[Sequence[Message], Sequence[Message]]:
        """Return what the broker delivered, and what doors brought."""
        full = self._queue.full
        brought = [
            message
            for door in self._doors
            for message in door.take(0 if full and door.is_bulk else self._batch_messages)
        ]
        if full:
            return (), brought
        messages = self._source.receive(
            limit=self._batch_messages,
            gather_s=0 if brought else self._flush_interval_s,
            timeout_s=0 if brought or self._replay.busy or self._queue.busy else _IDLE_S,
        )
        return messages, brought

    def _write_piece(self, started: float | None = None) -> None:
        """Write a piece, and acknowledge the messages that are durable with it."""
        started = time.monotonic() if started is None else started
        with tracing.step("ingest.commit"):
            done = self._queue.write_piece()
        if done.messages:
            self._source.ack(done.messages)
            for door in self._doors:
                door.ack(done.messages)
        seconds = time.monotonic() - started
        self._measures.batch(done.messages, done.rows, done.outcome, seconds=seconds)
        _log.debug(
            "written",
            messages=len(done.messages),
            rows=len(done.rows),
            refused=len(done.outcome.refused),
            ms=round(1000 * seconds, 1),
        )

    def _begin(self, connection: psycopg.Connection[Any], _tried: bool) -> None:
        database_time.look(connection, self._clock)
        # before the registry is read: whoever changes it from now on knows that this one is behind
        self._progress.report(connection, self._beginning())
        self._registry.refresh(connection)
        directory = self._registry.directory
        self._listening.begin(connection, directory.own_topics, directory.retired_topics)

    def _prepare(self, messages: Sequence[Message]) -> Prepared:
        prepared = self._prepared(messages)
        if prepared.missed and self._database.run(self._look):
            # registered a moment ago
            prepared = self._prepared(messages)
        self._times = prepared.times
        return self._alone.sift(prepared) if prepared.old else prepared

    def _prepared(self, messages: Sequence[Message]) -> Prepared:
        return prepare(
            messages, self._registry.directory, self._bounds, self._arrivals, times=self._times
        )

    def _look(self, connection: psycopg.Connection[Any], _tried: bool) -> bool:
        """Look at the database's clock, and at the registry; return whether that changed."""
        database_time.look(connection, self._clock)
        changed = self._registry.refresh(connection)
        self._look_at = time.monotonic() + _LOOK_S
        if changed:
            directory = self._registry.directory
            self._listening.follow(connection, directory.own_topics, directory.retired_topics)
        for host in self._hosts:
            host.look(connection, self._registry.directory)
        return changed

    def _look_at_quarantine(self, connection: psycopg.Connection[Any], _tried: bool) -> None:
        self._allowance.learn(quarantine.usages(connection))

    def _report(self, connection: psycopg.Connection[Any], _tried: bool) -> None:
        if self._presence.due:
            self._presence.write(connection)
        for host in self._hosts:
            if host.due:
                host.write(connection)
        if self._report_due:
            self._listening.look(connection)
            self._progress.report(connection, self._state())

    @property
    def _report_due(self) -> bool:
        """Whether a second has passed, or others hear that what they wait for is there now."""
        return self._progress.due or (self._source.connected and self._hears != self._reported)

    @property
    def _hears(self) -> tuple[int, str]:
        return self._registry.directory.revision, self._stage

    @property
    def _stage(self) -> str:
        return "off" if self._beside is None else self._beside.stage

    def _beginning(self) -> dict[str, Any]:
        return {"broker": "away", HEARD_REVISION: 0, DISCOVERY: self._stage}

    def _state(self) -> dict[str, Any]:
        unheard = self._listening.refused
        if self._source.connected:
            self._reported = self._hears
            self._heard_revision = self._reported[0]
        metrics.ingest_filters_refused.set(len(unheard))
        metrics.ingest_clock_ahead_seconds.set(self._clock.machine_ahead_s)
        return {
            "broker": self._broker(),
            HEARD_REVISION: self._heard_revision,
            DISCOVERY: self._stage,
            "notices": self._notices(unheard),
            **self._measures.state(),
        }

    def _broker(self) -> str:
        if not self._source.connected:
            return "away"
        return "silent" if self._source.silent else "connected"

    @property
    def _misses_sparkplug(self) -> bool:
        return self._sparkplug is None and bool(self._registry.directory.edge_nodes)

    def _notices(self, unheard: Mapping[str, str]) -> list[dict[str, str]]:
        """Return what an operator should hear of; readiness and ``tonne apply`` tell it."""
        notices = [
            ("broker-silent", self._source.silent),
            ("session-taken", self._source.trouble),
            ("broker-damaged", self._source.damage),
            ("session-known", _SESSION_KNOWN if self._session_is_known else ""),
            ("sparkplug-off", _SPARKPLUG_OFF if self._misses_sparkplug else ""),
            ("device-hosts", self._connections.refused),
            ("discovery-waits", self._unknown_unheard()),
        ]
        notices += [
            (FILTER_REFUSED, f"the broker brings nothing of {name!r} to ingest: {why}")
            for name, why in sorted(unheard.items())[:_MAX_REFUSED_SHOWN]
        ]
        return [
            *self._clock.notices(),
            *({"code": code, "detail": detail} for code, detail in notices if detail),
        ]

    def _unknown_unheard(self) -> str:
        trouble = "" if self._beside is None or not self._source.connected else self._beside.trouble
        return trouble and f"devices that nobody registered are not heard: {trouble}"

    def _farewell(self, connection: psycopg.Connection[Any], _tried: bool) -> None:
        self._presence.write(connection)
        self._progress.forget(connection)
