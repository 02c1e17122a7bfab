"""An MQTT 3.1.1 publisher that holds each message until the broker has acknowledged it.

Messages leave in the order they were given. After a lost connection it reconnects with a growing
pause, sends what was not acknowledged again, in order and marked as duplicates, and goes on with
the rest. Nothing is ever dropped; a message may arrive twice, never not at all.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from dataclasses import dataclass
from typing import Any

from sensors_sim.broker import Broker
from sensors_sim.mqtt_packets import (
    CONNACK,
    DISCONNECT_PACKET,
    MAX_PACKET_ID,
    PINGREQ_PACKET,
    PUBACK,
    REFUSALS,
    PacketError,
    PacketReader,
    Will,
    decode_connack,
    decode_puback,
    encode_connect,
    encode_publish,
)

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0
#: CONNACK's "server unavailable": the one refusal that may pass by itself.
_UNAVAILABLE = 3


class BrokerRefusedError(ConnectionError):
    """The broker refuses this client for good; trying again would not help."""


class BrokerAwayError(ConnectionError):
    """No broker answered at the address within the time allowed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message to publish at QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False


class _Connection(asyncio.Protocol):
    """One TCP connection: from CONNECT until it is lost."""

    def __init__(self, owner: Publisher) -> None:
        self._owner = owner
        self._reader = PacketReader()
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()
        self.writable = True
        self.accepted: asyncio.Future[int] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - narrows for mypy
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        try:
            for packet in self._reader.feed(data):
                if packet.type == PUBACK:
                    self._owner.acknowledge(decode_puback(packet.body))
                elif packet.type == CONNACK and not self.accepted.done():
                    self.accepted.set_result(decode_connack(packet.body))
        except PacketError as error:
            log.warning("the broker sent what is not MQTT (%s): reconnecting", error)
            self.abort()
            return
        self._owner.pump()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.writable = False
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._owner.pump()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Publisher:
    """Publishes over one connection at a time. Use it as an async context manager."""

    def __init__(
        self,
        *,
        broker: Broker,
        client_id: str,
        status_topic: str | None = None,
        window: int = 64,
        keepalive_s: int = 30,
        patience_s: float | None = None,
    ) -> None:
        """Describe the connection; entering the context opens it.

        Args:
            broker: where to connect.
            client_id: the MQTT client id; two connections with one id throw each other out.
            status_topic: where to say ``online`` on each connection, ``offline`` at the end and
                by will.
            window: messages sent and not yet acknowledged, at most.
            keepalive_s: seconds of silence after which a connection counts as dead.
            patience_s: seconds for the first connection to succeed; None waits for ever.

        """
        self._broker = broker
        self._client_id = client_id
        self._status_topic = status_topic
        self._window = window
        self._keepalive_s = keepalive_s
        self._patience_s = patience_s
        self._waiting: deque[Message] = deque()
        self._sent: dict[int, Message] = {}
        self._next_id = 1
        self._online_id = 0
        self._connection: _Connection | None = None
        self._closing = False
        self._progress = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.acknowledged = 0
        self.reconnects = 0

    async def __aenter__(self) -> Publisher:
        """Start connecting in the background."""
        self._task = asyncio.create_task(self._run(), name=f"publisher {self._client_id}")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the connection; what is not acknowledged then is given up."""
        self._closing = True
        if self._connection is not None:
            self._connection.write(DISCONNECT_PACKET)
            self._connection.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def outstanding(self) -> int:
        """Messages given to ``publish`` and not yet acknowledged."""
        return len(self._waiting) + len(self._sent)

    def publish(self, message: Message) -> None:
        """Take a message; it is kept until the broker acknowledges it. Never blocks."""
        self._waiting.append(message)
        self.pump()

    async def below(self, outstanding: int) -> None:
        """Wait until fewer than ``outstanding`` messages are unacknowledged.

        Raises:
            ConnectionError: the broker refuses the client, or never answered.

        """
        task = self._task
        if task is None:
            raise RuntimeError("enter the publisher's context first")
        while self.outstanding >= outstanding:
            self._progress.clear()
            waiter = asyncio.create_task(self._progress.wait())
            try:
                await asyncio.wait({waiter, task}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiter.cancel()
            if task.done():
                task.result()

    async def drain(self) -> None:
        """Wait until every message is acknowledged."""
        await self.below(1)

    async def failed(self) -> None:
        """Wait until the publisher gives up, and raise why."""
        if self._task is not None:
            await asyncio.shield(self._task)

    def acknowledge(self, packet_id: int) -> None:
        """Note the broker's PUBACK of a packet."""
        if self._sent.pop(packet_id, None) is not None:
            self.acknowledged += 1
            self._progress.set()

    def pump(self) -> None:
        """Send what the window and the socket have room for."""
        connection = self._connection
        if connection is None:
            return
        while self._waiting and len(self._sent) < self._window and connection.writable:
            message = self._waiting.popleft()
            packet_id = self._free_id()
            self._sent[packet_id] = message
            connection.write(_encode(message, packet_id))

    def _free_id(self) -> int:
        while self._next_id in self._sent or self._next_id == self._online_id:
            self._next_id = self._next_id % MAX_PACKET_ID + 1
        packet_id = self._next_id
        self._next_id = packet_id % MAX_PACKET_ID + 1
        return packet_id

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        give_up_at = None if self._patience_s is None else loop.time() + self._patience_s
        silent = False
        while True:
            try:
                connection = await self._connect()
            except BrokerRefusedError:
                raise
            except (OSError, TimeoutError) as error:
                why = str(error) or "no answer"
                if give_up_at is not None and loop.time() >= give_up_at:
                    raise BrokerAwayError(
                        f"no MQTT broker answers at {self._broker} ({why}): "
                        "start it, or name another with --broker"
                    ) from error
                if not silent:
                    log.warning("broker %s is away (%s): holding messages", self._broker, why)
                    silent = True
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            if silent:
                log.warning("broker %s is back: sending what was held", self._broker)
            pause_s, give_up_at, silent = _FIRST_PAUSE_S, None, False
            self._resume(connection)
            await self._watch(connection)
            self._connection = None
            self.reconnects += 1

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        broker = self._broker
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, connection = await loop.create_connection(
                lambda: _Connection(self), broker.host, broker.port, ssl=broker.tls_context()
            )
            topic = self._status_topic
            connection.write(
                encode_connect(
                    client_id=self._client_id,
                    keepalive_s=self._keepalive_s,
                    will=Will(topic=topic, payload=b"offline") if topic else None,
                    username=broker.username,
                    password=broker.password,
                )
            )
            try:
                answers: set[asyncio.Future[Any]] = {connection.accepted, connection.lost}
                await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
            except BaseException:
                connection.abort()
                raise
        if not connection.accepted.done():
            raise ConnectionResetError("the broker closed the connection")
        code = connection.accepted.result()
        if code:
            connection.abort()
            reason = REFUSALS.get(code, f"the broker refuses with code {code}")
            if code == _UNAVAILABLE:
                raise ConnectionResetError(reason)
            raise BrokerRefusedError(f"{reason} ({self._broker}): check --broker and its user")
        return connection

    def _resume(self, connection: _Connection) -> None:
        self._connection = connection
        if self._status_topic is not None:
            self._online_id = self._free_id()
            online = Message(topic=self._status_topic, payload=b"online", retain=True)
            connection.write(_encode(online, self._online_id))
        for packet_id, message in self._sent.items():
            connection.write(_encode(message, packet_id, dup=True))
        self.pump()

    async def _watch(self, connection: _Connection) -> None:
        """Keep the connection alive until it is lost."""
        loop = asyncio.get_running_loop()
        half_s = self._keepalive_s / 2
        while not connection.lost.done():
            await asyncio.wait({connection.lost}, timeout=half_s)
            if loop.time() - connection.heard_at > self._keepalive_s * 1.5:
                connection.abort()
                await connection.lost
            elif not connection.lost.done():
                connection.write(PINGREQ_PACKET)


def _encode(message: Message, packet_id: int, *, dup: bool = False) -> bytes:
    return encode_publish(
        topic=message.topic,
        payload=message.payload,
        packet_id=packet_id,
        retain=message.retain,
        dup=dup,
    )
