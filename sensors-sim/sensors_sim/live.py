"""Publishing at real pace: every device over its own connection, as in a plant."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass

from sensors_sim.broker import Broker
from sensors_sim.devices import Device
from sensors_sim.payloads import encode_sample
from sensors_sim.publisher import Message, Publisher
from sensors_sim.truth_report import Books


class UndeliveredError(ConnectionError):
    """The broker was away at the end for longer than the time allowed."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Maps simulated time to the wall clock: faster at first if asked, never into the future."""

    start_ms: int
    wall_start_s: float
    speed: float

    def wall_s(self, ts_ms: int) -> float:
        """Return the wall clock time at which a simulated time has come."""
        ahead_s = ts_ms / 1000.0 - self.start_ms / 1000.0
        return max(self.wall_start_s + ahead_s / self.speed, ts_ms / 1000.0)

    def now_ms(self, wall_s: float) -> int:
        """Return the simulated time at a wall clock time."""
        simulated_s = self.start_ms / 1000.0 + (wall_s - self.wall_start_s) * self.speed
        return int(min(simulated_s, wall_s) * 1000)


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """What ``tonne-sim run`` is asked to do. Times in milliseconds since the epoch."""

    broker: Broker
    devices: tuple[Device, ...]
    books: Books
    start_ms: int
    end_ms: int | None
    speed: float
    step_s: int | None
    drain_s: float


async def run_live(run: LiveRun) -> int:
    """Publish until the end or a signal, then until all is acknowledged; return the messages.

    Raises:
        UndeliveredError: messages were still unacknowledged ``drain_s`` seconds after the end.
        BrokerRefusedError: the broker refuses the simulator.

    """
    stop = asyncio.Event()
    hurry = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    pace = Pace(start_ms=run.start_ms, wall_start_s=time.time(), speed=run.speed)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_device(run, device, pace, stop, hurry)) for device in run.devices
            ]
    except* ConnectionError as errors:
        raise errors.exceptions[0] from None
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return sum(task.result() for task in tasks)


async def _device(
    run: LiveRun, device: Device, pace: Pace, stop: asyncio.Event, hurry: asyncio.Event
) -> int:
    publisher = Publisher(
        broker=run.broker,
        client_id=f"sim-{device.facility}_{device.id}",
        status_topic=device.status_topic,
    )
    async with publisher:
        refused = asyncio.create_task(publisher.failed())
        stopped = asyncio.create_task(stop.wait())
        try:
            await _publish_until_end(run, device, pace, publisher, {refused, stopped})
            if refused.done():
                refused.result()
            publisher.publish(Message(topic=device.status_topic, payload=b"offline", retain=True))
            await _drain(run, publisher, hurry)
        finally:
            stopped.cancel()
            refused.cancel()
    return publisher.acknowledged


async def _publish_until_end(
    run: LiveRun,
    device: Device,
    pace: Pace,
    publisher: Publisher,
    interrupts: set[asyncio.Task[None] | asyncio.Task[bool]],
) -> None:
    def publish(due_ms: int) -> None:
        sample = device.sample(due_ms)
        run.books.add(device, sample)
        publisher.publish(Message(topic=device.readings_topic, payload=encode_sample(sample)))

    last_ms: int | None = None
    end_ms = run.end_ms if run.end_ms is not None else 1 << 62
    for due_ms in device.due_times(run.start_ms, end_ms, run.step_s or device.interval_s):
        if await _interrupted(pace.wall_s(due_ms), interrupts):
            end_ms = pace.now_ms(time.time())
            break
        publish(due_ms)
        last_ms = due_ms
    else:
        if await _interrupted(pace.wall_s(end_ms), interrupts):
            end_ms = pace.now_ms(time.time())
    if last_ms is None:
        return
    farewell = device.farewell(_off_grid(max(end_ms, last_ms + 1)))
    if farewell is not None:
        run.books.add(device, farewell)
        publisher.publish(Message(topic=device.readings_topic, payload=encode_sample(farewell)))


def _off_grid(ts_ms: int) -> int:
    """Return a time at which no device ever samples, so that the end is no sample's rival."""
    return ts_ms if ts_ms % 1000 else ts_ms + 1


async def _interrupted(
    wall_s: float, interrupts: set[asyncio.Task[None] | asyncio.Task[bool]]
) -> bool:
    """Wait until the wall clock says ``wall_s``; return whether an interrupt came first."""
    while (left_s := wall_s - time.time()) > 0:
        done, _ = await asyncio.wait(
            interrupts, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
        )
        if done:
            return True
    await asyncio.sleep(0)
    return any(task.done() for task in interrupts)


async def _drain(run: LiveRun, publisher: Publisher, hurry: asyncio.Event) -> None:
    drained = asyncio.create_task(publisher.drain())
    hurried = asyncio.create_task(hurry.wait())
    try:
        await asyncio.wait(
            {drained, hurried}, timeout=run.drain_s, return_when=asyncio.FIRST_COMPLETED
        )
        if not drained.done():
            raise UndeliveredError(
                f"{publisher.outstanding} messages were never acknowledged by {run.broker}: "
                "a backfill over this time publishes them again"
            )
        drained.result()
    finally:
        drained.cancel()
        hurried.cancel()
