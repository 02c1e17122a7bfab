"""The door for stations that speak HJ 212 by TCP: an event loop of its own, and who is connected.

A station is answered when what it said is durable: as readings, or in quarantine. What waits in
memory is bounded, by connection and altogether; beyond, nothing is read, so that stations wait, and
send again what they heard no answer to.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from services.core.runtime import metrics
from services.core.runtime.clock import MACHINE, Clock
from services.ingest.sources.door_thread import DoorThread
from services.ingest.sources.hj212.conversation import Conversation, Reception
from services.ingest.sources.hj212.passwords import Passwords
from services.ingest.sources.receipt import Receipt
from services.ingest.sources.source import Message

_log: Final = structlog.get_logger()

#: What may wait for the pipeline: bytes altogether, and messages of one connection.
_WAITING_BYTES: Final = 16 << 20
_WAITING_MESSAGES: Final = 32

_READ_BYTES: Final = 4096

#: How long a pause lasts before what waits is looked at again.
_PAUSE_S: Final = 0.05

#: How long the answers to what is durable may take to be sent at the end.
_LAST_ANSWERS_S: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StationToken:
    """Which connection a message came by, and what its station waits to hear."""

    connection: _Connection
    answer: bytes | None
    receipt: Receipt


class Hj212Door(DoorThread):
    """Hears stations, and answers when what they said is durable."""

    failed = "the door for HJ 212 has failed"
    away = "stations cannot connect by HJ 212 yet"
    # stations wait for answers, and send little before they have them
    is_bulk = False

    def __init__(
        self,
        host: str,
        port: int,
        *,
        passwords: Passwords,
        max_connections: int,
        idle_s: float,
        nudge: Callable[[], None],
        clock: Clock = MACHINE,
    ) -> None:
        """``port``: 0 is any that is free; ``nudge``: wakes the pipeline.

        ``clock``: the time at which readings arrive.
        """
        super().__init__("hj212")
        self._host = host
        #: the one that is listened at, once it is
        self.port = port
        self._passwords = passwords
        self._max_connections = max_connections
        self._idle_s = idle_s
        self._nudge = nudge
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._connections: set[_Connection] = set()
        self._is_full_logged = False

    # -- the pipeline's side ------------------------------------------------------------------

    def take(self, limit: int) -> list[Message]:
        """Return messages that wait, ``limit`` at most, in order of arrival."""
        with self._lock:
            number = min(limit, len(self._waiting))
            messages = [self._waiting.popleft() for _ in range(number)]
            self._waiting_bytes -= sum(len(message.payload) for message in messages)
        return messages

    def ack(self, messages: Sequence[Message]) -> None:
        """Note that these are durable; call after COMMIT only."""
        loop = self._loop
        for message in messages:
            token = message.token
            if loop is not None and isinstance(token, StationToken):
                # what quarantine had no room for is kept by nobody but its station
                is_durable = all(is_quarantined for _, is_quarantined in token.receipt.refusals)
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(
                        token.connection.settle, token.answer if is_durable else None
                    )

    # -- the network thread -------------------------------------------------------------------

    async def serve(self) -> None:
        """Hear who connects, each on a task of its own."""
        server = await self._listened(
            lambda: asyncio.start_server(self._accepted, self._host, self.port),
            host=self._host,
            port=self.port,
        )
        if server is None:
            return
        self.port = server.sockets[0].getsockname()[1]
        _log.info("stations may connect by HJ 212", host=self._host, port=self.port)
        try:
            await self._ended.wait()
        finally:
            server.close()
            for connection in list(self._connections):
                connection.end()
            tasks = [connection.task for connection in self._connections]
            if tasks:
                await asyncio.wait(tasks, timeout=_LAST_ANSWERS_S)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._max_connections:
            if not self._is_full_logged:
                self._is_full_logged = True
                _log.warning(
                    "no more stations can connect by HJ 212: raise TONNE_HJ212_CONNECTIONS",
                    connections=self._max_connections,
                )
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it runs in one
        connection = _Connection(writer, task)
        self._connections.add(connection)
        metrics.ingest_hj212_connections.set(len(self._connections))
        try:
            await self._hear(connection, reader)
        except (OSError, TimeoutError):
            pass
        finally:
            self._connections.discard(connection)
            self._is_full_logged = False
            metrics.ingest_hj212_connections.set(len(self._connections))
            writer.close()

    async def _hear(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        conversation = Conversation(self._passwords)
        while not connection.is_ended:
            while connection.waiting >= _WAITING_MESSAGES or self._is_full:
                if connection.is_ended:
                    break
                await asyncio.sleep(_PAUSE_S)
            async with asyncio.timeout(self._idle_s):
                data = await reader.read(_READ_BYTES)
            if not data:
                # it may have more to hear
                await connection.settled(_LAST_ANSWERS_S)
                return
            for reception in conversation.feed(data):
                self._take(connection, reception)
            await connection.drained()

    @property
    def _is_full(self) -> bool:
        return self._waiting_bytes >= _WAITING_BYTES

    def _take(self, connection: _Connection, reception: Reception) -> None:
        metrics.ingest_hj212_frames.labels(reception.outcome).inc()
        if reception.message is None:
            if reception.answer is not None:
                connection.send(reception.answer)
            return
        topic, payload = reception.message
        if reception.refused is not None and reception.outcome not in connection.warned:
            connection.warned.add(reception.outcome)
            _log.warning(
                "a frame of HJ 212 is refused; it lies in quarantine",
                peer=connection.peer,
                reason=reception.refused.reason,
                detail=reception.refused.detail,
            )
        if reception.sealed is not None and reception.outcome not in connection.warned:
            connection.warned.add(reception.outcome)
            _log.warning(
                "a frame of HJ 212 cannot be decrypted; it lies in quarantine",
                peer=connection.peer,
                detail=reception.sealed,
            )
        receipt = Receipt()
        message = Message(
            topic=topic,
            payload=payload,
            received_at=self._clock.now(),
            token=StationToken(connection=connection, answer=reception.answer, receipt=receipt),
            # a station sends again what it heard no answer to
            redelivered=True,
            receipt=receipt,
            refused=reception.refused,
            sender=reception.station,
        )
        connection.waiting += 1
        with self._lock:
            self._waiting.append(message)
            self._waiting_bytes += len(payload)
        self._nudge()


class _Connection:
    """A station that is connected; all of it runs on the door's loop."""

    def __init__(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.task = task
        #: messages that are not durable yet
        self.waiting = 0
        self.is_ended = False
        #: what was logged of it, once
        self.warned: set[str] = set()
        self.peer: str = (writer.get_extra_info("peername") or ("",))[0]
        self._writer = writer
        self._settled = asyncio.Event()

    def send(self, answer: bytes) -> None:
        """Send an answer; who is gone hears none."""
        if not self._writer.is_closing():
            self._writer.write(answer)

    def settle(self, answer: bytes | None) -> None:
        """Note that a message is durable, and answer it."""
        self.waiting -= 1
        if answer is not None:
            self.send(answer)
            metrics.ingest_hj212_answers.inc()
        self._settled.set()

    async def settled(self, timeout_s: float) -> None:
        """Wait until nothing waits, for some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.waiting and not self.is_ended:
                    self._settled.clear()
                    await self._settled.wait()

    async def drained(self) -> None:
        """Wait until answers can be sent: a station that reads none is not read, either."""
        await self._writer.drain()

    def end(self) -> None:
        """End it, after the answers that are there to be sent."""
        self.is_ended = True
        self._settled.set()
        self._writer.close()
