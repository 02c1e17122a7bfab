"""Messages from any MQTT broker: a session on a thread of its own, an inbox in between."""

from __future__ import annotations

import contextvars
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from services.core.runtime.backoff import Backoff
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import MACHINE, Clock
from services.core.runtime.settings import MqttVersion
from services.ingest.sources.inbox import Inbox
from services.ingest.sources.mqtt.packet_token import PacketToken
from services.ingest.sources.mqtt.session import MqttSession
from services.ingest.sources.overlap import OVERLAP_S
from services.ingest.sources.probe import SILENT
from services.ingest.sources.source import Message, Refusals

_log: Final = structlog.get_logger()

#: After so long without a call of ``receive`` the session is left to the broker: well within the
#: time after which NATS delivers again what is not acknowledged (``ack_wait``, 10 s as shipped).
_HOLD_S: Final = 5.0

#: How long the network thread sleeps at most: keep-alive and the rule above need it to look.
_LOOK_S: Final = 0.5


class Side(Protocol):
    """Who looks after a session at the broker, other than by MQTT."""

    @property
    def damage(self) -> str:
        """What the broker lost in the last hour, or nothing."""
        ...

    def start(self) -> None:
        """Begin to look; returns at once."""
        ...

    def close(self) -> None:
        """Look no longer."""
        ...


class MqttSource:
    """The :class:`.source.MessageSource` of MQTT brokers."""

    #: One less than 65535 divided by the 8192 in flight that NATS ships with: a unit is kept for
    #: the filter that stands in while others are exchanged.
    max_units: int | None = 6

    def __init__(
        self,
        url: BrokerUrl,
        *,
        client_id: str,
        max_waiting: int,
        tls: ssl.SSLContext | None = None,
        hold_s: float = _HOLD_S,
        overlap_s: float = OVERLAP_S,
        version: MqttVersion = "auto",
        side: Side | None = None,
        clock: Clock = MACHINE,
    ) -> None:
        """``side``: looks after the session at the broker itself; None: nobody does.

        ``clock``: the time at which messages arrive.
        """
        self._hold_s = hold_s
        self._side = side
        self.inbox = Inbox(max_waiting=max_waiting)
        self._session = MqttSession(
            url,
            client_id=client_id,
            tls=tls,
            deliver=self.inbox.put,
            lost=self.inbox.take_back,
            overlap_s=overlap_s,
            version=version,
            clock=clock,
        )
        self._acks: deque[list[PacketToken]] = deque()
        #: what the session is to be told next: (wanted, draining, needless, renewed)
        self._asked: deque[
            tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]
        ] = deque()
        self._closing = False
        # in a copy of this context, so that its log lines name the process too
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name="mqtt", daemon=True
        )
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    def start(
        self,
        filters: frozenset[str],
        *,
        draining: frozenset[str] = frozenset(),
        needless: frozenset[str] = frozenset(),
        known: bool = False,
    ) -> None:
        """Begin to connect and subscribe; returns at once."""
        self._session.watch.existed = known
        self._asked.append((filters, draining, needless, frozenset()))
        self._thread.start()
        if self._side is not None:
            self._side.start()

    def subscribe(
        self,
        filters: frozenset[str],
        *,
        draining: frozenset[str] = frozenset(),
        renewed: frozenset[str] = frozenset(),
    ) -> None:
        """Make ``filters`` the whole set of topic filters, now and after every reconnect."""
        self._asked.append((filters, draining, frozenset(), renewed))
        self._wake()

    @property
    def refused(self) -> Refusals:
        """Filters of the present set that the broker does not grant."""
        return self._session.subscriptions.refused

    @property
    def left(self) -> frozenset[str]:
        """Filters that the broker's session surely holds no more."""
        return frozenset() if self._asked else self._session.subscriptions.left

    @property
    def silent(self) -> str:
        """Why what the broker acknowledges does not come, or nothing."""
        return SILENT if self._session.probe.silent else ""

    @property
    def trouble(self) -> str:
        """What happened to the session in the last hour that may have cost messages, or nothing."""
        return self._session.watch.trouble

    @property
    def damage(self) -> str:
        """What the broker lost in the last hour of what it held for ingest, or nothing."""
        return "" if self._side is None else self._side.damage

    def receive(self, *, limit: int, gather_s: float, timeout_s: float) -> list[Message]:
        """Wait up to ``timeout_s`` for a message, then up to ``gather_s`` for more."""
        if self.inbox.silent_s() > self._hold_s:
            self._wake()
        crowded = not self.inbox.has_room
        batch = self.inbox.receive(limit=limit, gather_s=gather_s, timeout_s=timeout_s)
        if crowded:
            self._wake()
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are durable; those of an earlier connection are dropped."""
        self._acks.append([m.token for m in messages if isinstance(m.token, PacketToken)])
        self._wake()

    def nudge(self) -> None:
        """Let the ``receive`` that waits return at once."""
        self.inbox.nudge()

    @property
    def connected(self) -> bool:
        """Whether a session with the broker is open and subscribed."""
        # in this order: what was asked for is told to the session before it is taken off
        return not self._asked and self._session.ready

    def close(self) -> None:
        """Send what acks are left and disconnect; the broker keeps the session."""
        if self._closing:
            return
        self._closing = True
        if self._side is not None:
            self._side.close()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._wake_read.close()
        self._wake_write.close()

    def _wake(self) -> None:
        try:
            self._wake_write.send(b"\0")
        except BlockingIOError:
            # wake-ups enough are under way
            return

    # -- the network thread -------------------------------------------------------------------

    def _run(self) -> None:
        """Whatever goes wrong here ends the pipeline too: its next ``receive`` raises it."""
        try:
            self._work()
        except BaseException as failure:  # noqa: BLE001 - handed over to the pipeline's thread
            self.inbox.fail(failure)
        finally:
            self._session.release()

    def _work(self) -> None:
        backoff = Backoff()
        while not self._closing:
            unheard = self.inbox.silent_s() > self._hold_s
            if unheard and self._session.open:
                _log.warning("nothing can be stored; leaving the messages to the broker")
                self._session.leave()
            elif unheard:
                self._sleep(_LOOK_S)
            elif not self._session.open:
                self._tell_filters()
                if not self._session.connect():
                    self._wait(backoff.next_s())
            else:
                self._session.run_once(
                    read=self.inbox.has_room, wake=self._wake_read, timeout_s=_LOOK_S
                )
                self._serve()
                if self._session.ready:
                    backoff.reset()
                elif not self._session.open:
                    self._wait(backoff.next_s())
        self._serve()
        self._session.leave()

    def _serve(self) -> None:
        """Do what the pipeline has asked for."""
        self._drain()
        self._tell_filters()
        while self._acks:
            self._session.ack(self._acks.popleft())

    def _tell_filters(self) -> None:
        while self._asked:
            # taken off when it is done: until then the source counts as not connected
            self._session.subscriptions.want(*self._asked[0])
            self._asked.popleft()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._closing and (left := until - time.monotonic()) > 0:
            self._sleep(min(left, _LOOK_S))

    def _sleep(self, seconds: float) -> None:
        """Until something is asked for, at most ``seconds``."""
        select.select([self._wake_read], [], [], seconds)
        self._drain()

    def _drain(self) -> None:
        try:
            while self._wake_read.recv(4096):
                continue
        except BlockingIOError:
            return
