"""Publishing a measured series with its own time stamps, as fast as the broker takes it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sensors_sim.broker import Broker
from sensors_sim.csv_series import Point
from sensors_sim.publisher import Message, Publisher

_OUTSTANDING = 1024


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What ``tonne-sim replay`` is asked to do."""

    broker: Broker
    facility: str
    device: str
    channel: str
    twice: bool
    #: Seed of the order to publish in; None keeps the file's order.
    shuffle_seed: int | None


def total(points: list[Point]) -> Decimal:
    """Return the exact sum of the values."""
    return sum((point.value for point in points if point.value is not None), Decimal(0))


def messages(job: Replay, points: list[Point]) -> list[Message]:
    """Return a message for each value, in the order to publish."""
    order = points * (2 if job.twice else 1)
    if job.shuffle_seed is not None:
        random.Random(job.shuffle_seed).shuffle(order)
    topic = f"emissions/{job.facility}/{job.device}/readings"
    return [Message(topic=topic, payload=_payload(job.channel, point)) for point in order]


def _payload(channel: str, point: Point) -> bytes:
    value: Any = None if point.value is None else float(point.value)
    if point.quality != "good":
        value = {"v": value, "q": point.quality}
    ts = point.time.isoformat().replace("+00:00", "Z")
    return json.dumps({"ts": ts, "values": {channel: value}}, separators=(",", ":")).encode()


async def run_replay(job: Replay, points: list[Point]) -> int:
    """Publish all; return the messages acknowledged, which are all.

    Raises:
        ConnectionError: the broker refuses the simulator or was never there.

    """
    publisher = Publisher(
        broker=job.broker,
        client_id=f"sim-replay-{job.facility}_{job.device}",
        window=256,
        patience_s=15.0,
    )
    async with publisher:
        for message in messages(job, points):
            publisher.publish(message)
            await publisher.below(_OUTSTANDING)
        await publisher.drain()
    return publisher.acknowledged
