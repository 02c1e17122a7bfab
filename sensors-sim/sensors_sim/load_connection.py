"""One connection of the load generator: its window, its devices and its packets in flight."""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass

from sensors_sim.broker import Broker
from sensors_sim.load_books import DeviceBook, Latencies
from sensors_sim.load_messages import LAST_NUMBER, Template
from sensors_sim.mqtt_packets import (
    CONNACK,
    DISCONNECT_PACKET,
    MAX_PACKET_ID,
    PUBACK,
    REFUSALS,
    PacketError,
    PacketReader,
    decode_connack,
    decode_puback,
    encode_connect,
)

_DUP = 0x08
_RETRY_S = 0.2
#: A connection whose unacknowledged messages do not move within this time is dead.
STALLED_S = 15.0


@dataclass(slots=True)
class _InFlight:
    packet: bytes
    book: DeviceBook
    number: int
    intended_s: float


class LoadConnection(asyncio.Protocol):
    """Publishes for its own devices, round robin; keeps every message until its PUBACK.

    It may be connected again after a loss: what is in flight is then sent again, in order.
    """

    def __init__(
        self,
        *,
        client_id: str,
        devices: list[tuple[Template, DeviceBook]],
        window: int,
        latencies: Latencies,
        closed_loop: bool,
        limit: int | None,
    ) -> None:
        """In a closed loop each acknowledgement is answered with the next message at once.

        ``limit`` is the number of messages after which it stops sending.
        """
        self._client_id = client_id
        self._devices = devices
        self._window = window
        self._latencies = latencies
        self._closed_loop = closed_loop
        self._limit = limit
        self._in_flight: dict[int, _InFlight] = {}
        self._next_id = 1
        self._turn = 0
        self._transport: asyncio.WriteTransport | None = None
        self._reader = PacketReader()
        self._connack: asyncio.Future[int] | None = None
        self._writable = True
        self._moved_s = 0.0
        self._ready = False
        self.running = False
        self.reconnects = 0
        self.resent = 0
        self.sent = 0

    @property
    def in_flight(self) -> int:
        """Messages sent and not acknowledged."""
        return len(self._in_flight)

    @property
    def room(self) -> int:
        """How many messages may be sent now."""
        if not (self._ready and self._writable and self._transport):
            return 0
        room = self._window - len(self._in_flight)
        return room if self._limit is None else min(room, self._limit - self.sent)

    @property
    def connected(self) -> bool:
        """Whether the connection is open and the broker has accepted it."""
        return self._ready

    async def connect(self, broker: Broker) -> None:
        """Connect, and send what is in flight again.

        Raises:
            OSError: the broker is away or refuses.

        """
        loop = asyncio.get_running_loop()
        self._reader = PacketReader()
        self._connack = loop.create_future()
        async with asyncio.timeout(5.0):
            await loop.create_connection(
                lambda: self, broker.host, broker.port, ssl=broker.tls_context()
            )
            self._write(
                encode_connect(
                    client_id=self._client_id,
                    keepalive_s=0,
                    username=broker.username,
                    password=broker.password,
                )
            )
            code = await self._connack
        if code:
            self.abort()
            raise ConnectionRefusedError(f"{REFUSALS.get(code, code)} ({broker})")
        self._ready = True
        self._moved_s = time.monotonic()
        if self._in_flight:
            self.resent += len(self._in_flight)
            packets = [one.packet for one in self._in_flight.values()]
            self._write(b"".join(bytes((p[0] | _DUP,)) + p[1:] for p in packets))

    async def reconnect(self, broker: Broker) -> None:
        """Connect again however long it takes."""
        self.reconnects += 1
        while True:
            try:
                await self.connect(broker)
            except (OSError, TimeoutError):
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def abort_if_stalled(self) -> None:
        """Cut the connection when acknowledgements have stopped coming."""
        if self._in_flight and self._ready and time.monotonic() - self._moved_s > STALLED_S:
            self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        self._ready = False
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Say goodbye and close."""
        if self._transport is not None:
            self._ready = False
            self._transport.write(DISCONNECT_PACKET)
            self._transport.close()

    def send(self, intended: list[float]) -> None:
        """Send a message for each intended time (monotonic seconds); at most ``room``."""
        now_ms = int(time.time() * 1000)
        if not self._in_flight:
            self._moved_s = time.monotonic()
        packets = []
        in_flight, devices, packet_id = self._in_flight, self._devices, self._next_id
        for intended_s in intended:
            while packet_id in in_flight:
                packet_id = packet_id % MAX_PACKET_ID + 1
            template, book = devices[self._turn]
            self._turn = (self._turn + 1) % len(devices)
            number = book.next_number
            if number > LAST_NUMBER:
                raise OverflowError("a device has used up its numbers: add --devices")
            book.next_number = number + 1
            packet = template.packet(packet_id, book.stamp_ms(number, now_ms), number)
            in_flight[packet_id] = _InFlight(packet, book, number, intended_s)
            packets.append(packet)
            packet_id = packet_id % MAX_PACKET_ID + 1
        self._next_id = packet_id
        self.sent += len(packets)
        self._write(b"".join(packets))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - narrows for mypy
        self._transport = transport
        self._writable = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport; what is in flight stays."""
        self._ready = False
        self._transport = None
        if self._connack is not None and not self._connack.done():
            self._connack.set_exception(exc or ConnectionResetError("closed before CONNACK"))

    def pause_writing(self) -> None:
        """Hold back while the socket is full."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self._writable = True

    def data_received(self, data: bytes) -> None:
        """Book acknowledgements; in a closed loop, fill the window again."""
        now_s = self._moved_s = time.monotonic()
        if self._reader.pending or not self._all_pubacks(data, now_s):
            self._packets(data, now_s)
        if self._closed_loop and self.running and (room := self.room) > 0:
            self.send([now_s] * room)

    def _all_pubacks(self, data: bytes, now_s: float) -> bool:
        """Book a chunk that is nothing but PUBACKs, the usual case; else leave it alone."""
        count = len(data) // 4
        if len(data) % 4 or data[::4] != b"\x40" * count or data[1::4] != b"\x02" * count:
            return False
        for _, packet_id in struct.iter_unpack(">HH", data):
            self._acknowledge(packet_id, now_s)
        return True

    def _packets(self, data: bytes, now_s: float) -> None:
        try:
            for packet in self._reader.feed(data):
                if packet.type == PUBACK:
                    self._acknowledge(decode_puback(packet.body), now_s)
                elif packet.type == CONNACK and self._connack and not self._connack.done():
                    self._connack.set_result(decode_connack(packet.body))
        except PacketError:
            self.abort()

    def _acknowledge(self, packet_id: int, now_s: float) -> None:
        entry = self._in_flight.pop(packet_id, None)
        if entry is not None:
            entry.book.acknowledge(entry.number)
            self._latencies.add(now_s - entry.intended_s)
