"""Publishing history: many samples in each message, as fast as the broker acknowledges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from sensors_sim.broker import Broker
from sensors_sim.devices import Device, Sample
from sensors_sim.payloads import encode_history
from sensors_sim.publisher import Message, Publisher
from sensors_sim.truth_report import Books

#: A message of 720 samples of three channels is about 60 kB: far below the 1 MiB limit.
SAMPLES_PER_MESSAGE = 720
_OUTSTANDING = 32


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """What ``tonne-sim backfill`` is asked to do: publish [from_ms, until_ms)."""

    broker: Broker
    devices: tuple[Device, ...]
    books: Books | None
    from_ms: int
    until_ms: int
    step_s: int


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How much was published and acknowledged."""

    messages: int
    values: int


async def run_backfill(job: Backfill, progress: Callable[[float], None]) -> Sent:
    """Publish the history; return when the broker has acknowledged all of it.

    ``progress`` is called with the share that is acknowledged, 0 to 1.

    Raises:
        ConnectionError: the broker refuses the simulator or was never there.

    """
    values = 0
    span_ms = job.until_ms - job.from_ms
    publisher = Publisher(broker=job.broker, client_id="sim-backfill", patience_s=15.0)
    async with publisher:
        for device, samples in _in_time_order(job):
            message = Message(topic=device.readings_topic, payload=encode_history(samples))
            for sample in samples:
                values += len(sample.values)
                if job.books is not None:
                    job.books.add(device, sample)
            publisher.publish(message)
            await publisher.below(_OUTSTANDING)
            progress(min((samples[0].ts_ms - job.from_ms) / span_ms, 1.0))
        await publisher.drain()
    progress(1.0)
    return Sent(messages=publisher.acknowledged, values=values)


def _in_time_order(job: Backfill) -> Iterator[tuple[Device, list[Sample]]]:
    """Yield full messages of all devices side by side, so that history grows evenly."""
    window_ms = SAMPLES_PER_MESSAGE * job.step_s * 1000
    for start_ms in range(job.from_ms, job.until_ms, window_ms):
        end_ms = min(start_ms + window_ms, job.until_ms)
        for device in job.devices:
            dues = iter(device.due_times(start_ms, end_ms, job.step_s))
            while chunk := list(islice(dues, SAMPLES_PER_MESSAGE)):
                yield device, [device.sample(due_ms) for due_ms in chunk]
