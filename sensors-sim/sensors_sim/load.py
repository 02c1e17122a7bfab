"""The load generator: many connections, one pace, exact books.

At a rate the loop is open: message n is meant to leave at n/rate seconds whatever the broker
does, and its latency counts from that moment. At ``max`` each acknowledgement is answered with
the next message, as fast as one process can.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass
from typing import Any

from sensors_sim.broker import Broker
from sensors_sim.load_books import DeviceBook, Latencies
from sensors_sim.load_connection import LoadConnection
from sensors_sim.load_messages import FIRST_NUMBER, template

_TICK_S = 0.002


@dataclass(frozen=True, kw_only=True)
class Load:
    """What ``tonne-sim load`` is asked to do."""

    broker: Broker
    facility: str
    prefix: str
    channels: tuple[str, ...]
    #: Messages each second; None is as fast as possible.
    rate: float | None
    duration_s: float
    #: Stop after so many messages; None leaves it to the duration.
    count: int | None
    connections: int
    window: int
    devices: int
    payload_bytes: int
    drain_s: float
    #: Stamp the messages as if they had been sent over so many seconds until now; None: as they
    #: are sent. Needs a count.
    history_s: float | None = None


def device_ids(job: Load) -> list[str]:
    """Return the ids of the load's devices."""
    return [f"{job.prefix}-{number}" for number in range(1, job.devices + 1)]


class _Generator:
    def __init__(self, job: Load) -> None:
        self.job = job
        self.latencies = Latencies()
        self.books = _books(job)
        made = [
            (
                template(
                    topic=f"emissions/{job.facility}/{book.device}/readings",
                    channels=job.channels,
                    device_number=number,
                    payload_bytes=job.payload_bytes,
                ),
                book,
            )
            for number, book in enumerate(self.books)
        ]
        self.connections = [
            LoadConnection(
                client_id=f"sim-load-{job.facility}_{job.prefix}-{number}",
                devices=made[number :: job.connections],
                window=job.window,
                latencies=self.latencies,
                closed_loop=job.rate is None,
                limit=_share(job, number),
            )
            for number in range(job.connections)
        ]
        self.planned = 0
        self.window_s = 0.0
        self.acknowledged_in_time = 0

    @property
    def sent(self) -> int:
        return sum(connection.sent for connection in self.connections)

    @property
    def acknowledged(self) -> int:
        return sum(book.acknowledged for book in self.books)

    async def run(self, stop: asyncio.Event) -> None:
        job = self.job
        try:
            await asyncio.gather(*(one.connect(job.broker) for one in self.connections))
        except (OSError, TimeoutError) as error:
            raise ConnectionError(
                f"no MQTT broker takes {job.connections} connections at {job.broker} "
                f"({error or 'no answer'}): start it, or name another with --broker"
            ) from error
        keepers = [asyncio.create_task(self._keep(one)) for one in self.connections]
        start_s = time.monotonic()
        try:
            await self._publish(start_s, stop)
            self.window_s = time.monotonic() - start_s
            self.acknowledged_in_time = self.acknowledged
            await self._drain(stop)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            for connection in self.connections:
                connection.close()

    async def _keep(self, connection: LoadConnection) -> None:
        while True:
            await asyncio.sleep(0.1)
            connection.abort_if_stalled()
            if not connection.connected:
                await connection.reconnect(self.job.broker)

    async def _publish(self, start_s: float, stop: asyncio.Event) -> None:
        job = self.job
        for connection in self.connections:
            connection.running = True
        while not stop.is_set():
            now_s = time.monotonic()
            over = now_s >= start_s + job.duration_s
            if job.rate is not None:
                self._open_loop(start_s, min(now_s, start_s + job.duration_s), job.rate)
            else:
                self._closed_loop(now_s)
            if over or (job.count is not None and self.sent >= job.count):
                break
            await asyncio.sleep(_TICK_S)
        for connection in self.connections:
            connection.running = False

    def _open_loop(self, start_s: float, now_s: float, rate: float) -> None:
        """Send what is due: message n belongs to connection n modulo their number."""
        job = self.job
        self.planned = min(int((now_s - start_s) * rate) + 1, round(job.duration_s * rate))
        if job.count is not None:
            self.planned = min(self.planned, job.count)
        for number, connection in enumerate(self.connections):
            due = (self.planned - number + job.connections - 1) // job.connections
            ready = min(due - connection.sent, connection.room)
            if ready > 0:
                first = connection.sent
                connection.send(
                    [
                        start_s + ((first + i) * job.connections + number) / rate
                        for i in range(ready)
                    ]
                )

    def _closed_loop(self, now_s: float) -> None:
        """Start connections that have nothing in flight; acknowledgements drive the rest."""
        for connection in self.connections:
            if not connection.in_flight and connection.room > 0:
                connection.send([now_s] * connection.room)
        self.planned = self.sent

    async def _drain(self, stop: asyncio.Event) -> None:
        deadline_s = time.monotonic() + self.job.drain_s
        while any(one.in_flight for one in self.connections):
            if time.monotonic() >= deadline_s or (stop.is_set() and self.job.drain_s == 0):
                return
            await asyncio.sleep(0.005)

    def report(self) -> dict[str, Any]:
        job = self.job
        self.planned = max(self.planned, self.sent)
        return {
            "facility": job.facility,
            "channels": list(job.channels),
            "rate": "max" if job.rate is None else job.rate,
            "duration_s": round(self.window_s, 3),
            "connections": job.connections,
            "window": job.window,
            "payload_bytes": job.payload_bytes,
            "planned": self.planned,
            "unsent": self.planned - self.sent,
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "unacknowledged": self.sent - self.acknowledged,
            "messages_per_s": round(self.acknowledged_in_time / self.window_s, 1),
            "reconnects": sum(one.reconnects for one in self.connections),
            "resent": sum(one.resent for one in self.connections),
            "puback_ms": {
                "p50": self.latencies.percentile_ms(50),
                "p99": self.latencies.percentile_ms(99),
                "max": self.latencies.max_ms,
            },
            "first_number": FIRST_NUMBER,
            "devices": [
                {
                    "id": book.device,
                    "sent": book.sent,
                    "acknowledged": book.acknowledged,
                    "contiguous": book.acknowledged_below - FIRST_NUMBER,
                }
                for book in self.books
            ],
        }


def _books(job: Load) -> list[DeviceBook]:
    if job.history_s is None or job.count is None:
        return [DeviceBook(device) for device in device_ids(job)]
    # a connection deals its share out evenly, so the busiest device may get one message more
    limit = -(-job.count // job.devices) + 1
    begin_ms = int((time.time() - job.history_s) * 1000)
    step_ms = job.history_s * 1000 / limit
    return [DeviceBook(each, begin_ms=begin_ms, step_ms=step_ms) for each in device_ids(job)]


def _share(job: Load, number: int) -> int | None:
    """Return how many of all messages a connection sends."""
    if job.count is None:
        return None
    return (job.count - number + job.connections - 1) // job.connections


async def run_load(job: Load) -> dict[str, Any]:
    """Publish until the duration, the count or a signal; return the books.

    Raises:
        ConnectionError: the broker was away or refused at the start.

    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    generator = _Generator(job)
    try:
        await generator.run(stop)
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
    return generator.report()
