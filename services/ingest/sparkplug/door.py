"""The door for Sparkplug B: a thread that is the host application, beside the other messages.

What it hears goes into the inbox of ingest's own source, so that one pipeline takes both. While
nothing can be stored it goes offline: an edge node that waits for this host keeps what it measures,
and sends it as history later.

Of several ingest processes one is the host: whose session with the database has the lock.
"""

from __future__ import annotations

import contextvars
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import psycopg
import structlog

from services.core.runtime import metrics
from services.core.runtime.backoff import Backoff
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import MACHINE, Clock
from services.core.store.registry import sparkplug_births
from services.core.store.registry.sparkplug_births import StoredBirth
from services.ingest.resolve import Directory
from services.ingest.sources.inbox import Inbox
from services.ingest.sparkplug.births import Birth, BirthMetric
from services.ingest.sparkplug.connection import Connection
from services.ingest.sparkplug.effects import Born
from services.ingest.sparkplug.hub import Handed, Hub, Name

_log: Final = structlog.get_logger()

#: After so long without a turn of the pipeline the host goes offline.
_HOLD_S: Final = 5.0

#: How long the thread sleeps at most.
_LOOK_S: Final = 0.25

#: Births that wait to be stored; an edge node that repeats them counts once.
_MAX_BIRTHS: Final = 10_000


class Door:
    """The host application; one thread of its own, all else is called by the pipeline's."""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        host_id: str,
        inbox: Inbox,
        reorder_timeout_s: float,
        tls: ssl.SSLContext | None = None,
        hold_s: float = _HOLD_S,
        clock: Clock = MACHINE,
    ) -> None:
        """``clock``: the time at which messages arrive."""
        self._inbox = inbox
        self._hold_s = hold_s
        self._hub = Hub(reorder_timeout_s, clock.now)
        self._connection = Connection(
            url, host_id=host_id, tls=tls, heard=self._hear, began=self._begin
        )
        self._changed = threading.Lock()
        #: what is wanted, and what was stored of it; None: this process is not the host
        self._wanted: frozenset[Name] | None = None
        self._stored: Mapping[Name, Mapping[str, Birth]] = {}
        self._taken: frozenset[Name] | None = None
        self._births: dict[tuple[str, str, str], Born] = {}
        self._closing = threading.Event()
        # in a copy of this context, so that its log lines name the process too
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name="sparkplug", daemon=True
        )

    # -- the pipeline's side ------------------------------------------------------------------

    def look(self, connection: psycopg.Connection[Any], directory: Directory) -> None:
        """Hear the edge nodes that devices name; call every second or so."""
        wanted = directory.edge_nodes
        # asked each time: the lock ends with the session that has it
        heard = wanted if wanted and sparkplug_births.be_host(connection) else None
        if heard == self._wanted:
            return
        stored: dict[Name, dict[str, Birth]] = {}
        for birth in sparkplug_births.stored(connection) if heard else ():
            name = (birth.group, birth.edge_node)
            stored.setdefault(name, {})[birth.device] = _read(birth)
        with self._changed:
            self._wanted, self._stored = heard, stored
        if heard is not None and self._thread.ident is None:
            self._thread.start()

    @property
    def due(self) -> bool:
        """Whether there are births to :meth:`write`."""
        return bool(self._births)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Store the births that were heard."""
        with self._changed:
            births, self._births = list(self._births.values()), {}
        try:
            sparkplug_births.store(connection, [_stored(born) for born in births])
        except BaseException:
            with self._changed:
                for born in births:
                    self._births.setdefault(_key(born), born)
            raise

    def close(self) -> None:
        """Say that this host is offline, and hear nothing more."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    # -- the thread's side --------------------------------------------------------------------

    def _run(self) -> None:
        """Whatever goes wrong here ends the pipeline too: its next ``receive`` raises it."""
        try:
            self._work()
        except BaseException as failure:  # noqa: BLE001 - handed over to the pipeline's thread
            self._inbox.fail(failure)
        finally:
            self._connection.release()

    def _work(self) -> None:
        backoff = Backoff()
        retry_at = 0.0
        while not self._closing.is_set():
            self._take_wanted()
            if self._taken is None or self._inbox.silent_s() > self._hold_s:
                if self._connection.open:
                    _log.warning("Sparkplug host goes offline: nothing can be stored by it")
                    self._connection.leave()
                self._closing.wait(_LOOK_S)
            elif not self._connection.open:
                if time.monotonic() < retry_at:
                    self._closing.wait(_LOOK_S)
                elif not self._connection.connect(self._groups):
                    retry_at = time.monotonic() + backoff.next_s()
            elif not self._inbox.has_room:
                self._closing.wait(0.01)
            else:
                self._connection.turn_once(self._timeout_s())
                if self._connection.online:
                    backoff.reset()
                elif not self._connection.open:
                    retry_at = time.monotonic() + backoff.next_s()
                self._hand(self._hub.tick(time.monotonic()))
            metrics.ingest_sparkplug_online.set(self._connection.online)
            metrics.ingest_sparkplug_edge_nodes.set(self._hub.online)
            metrics.ingest_sparkplug_waiting.set(self._hub.waiting)
        self._hand(self._hub.end())
        self._connection.leave()

    @property
    def _groups(self) -> frozenset[str]:
        return frozenset(group for group, _ in self._taken or ())

    def _take_wanted(self) -> None:
        with self._changed:
            wanted, stored = self._wanted, self._stored
        if wanted == self._taken:
            return
        self._taken = wanted
        self._hub.want(wanted or (), stored, time.monotonic())
        self._connection.listen(self._groups)

    def _timeout_s(self) -> float:
        due_at = self._hub.due_at
        if due_at is None:
            return _LOOK_S
        return min(max(due_at - time.monotonic(), 0.0), _LOOK_S)

    def _begin(self) -> None:
        self._hub.begin(time.monotonic())

    def _hear(self, topic: str, payload: bytes) -> None:
        metrics.ingest_sparkplug_messages.inc()
        self._hand(self._hub.arrive(topic, payload, time.monotonic()))

    def _hand(self, handed: Handed) -> None:
        if handed.messages:
            self._inbox.put(handed.messages)
        for topic, payload in handed.requests:
            self._connection.publish(topic, payload)
        if handed.births:
            with self._changed:
                for born in handed.births:
                    if len(self._births) < _MAX_BIRTHS:
                        self._births[_key(born)] = born


def _key(born: Born) -> tuple[str, str, str]:
    return born.group, born.edge_node, born.device


def _stored(born: Born) -> StoredBirth:
    return StoredBirth(
        group=born.group,
        edge_node=born.edge_node,
        device=born.device,
        bd_seq=born.birth.bd_seq,
        born_at=born.instant,
        metrics=[(m.name, m.datatype, m.alias, m.unit) for m in born.birth.metrics],
    )


def _read(stored: StoredBirth) -> Birth:
    return Birth(
        metrics=tuple(
            BirthMetric(name=name, datatype=datatype, alias=alias, unit=unit)
            for name, datatype, alias, unit in stored.metrics
        ),
        bd_seq=stored.bd_seq,
    )
