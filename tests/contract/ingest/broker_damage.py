"""What can happen to what NATS holds for ingest, as an administrator or a bad disk does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import nats
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo

from services.ingest.sources.jetstream.durable import STREAM
from tests.services import Nats

KEEPER = "keeper"
_NOWHERE = "nowhere.to.be.heard"


def keep_stream(server: Nats) -> None:
    """Let another consumer want everything: NATS throws away what none does."""

    async def keep(stream: JetStreamContext) -> None:
        config = ConsumerConfig(durable_name=KEEPER, ack_policy=AckPolicy.EXPLICIT)
        await stream.add_consumer(STREAM, config)

    _administer(server, keep)


def forget_keeper(server: Nats) -> None:
    """Let go of what :func:`keep_stream` has kept."""
    _administer(server, lambda stream: stream.delete_consumer(STREAM, KEEPER))


def delete_consumers(server: Nats) -> None:
    """Delete every consumer of the messages but the keeper, under live sessions."""

    async def delete(stream: JetStreamContext) -> None:
        for info in await _consumers(stream):
            await stream.delete_consumer(STREAM, info.name)

    _administer(server, delete)


def divert_consumers(server: Nats) -> None:
    """Let each deliver elsewhere: NATS lets only an administrator's detour do that."""

    async def divert(stream: JetStreamContext) -> None:
        for info in await _consumers(stream):
            await stream.delete_consumer(STREAM, info.name)
            # a pull consumer has a number of requests that may wait
            config = replace(info.config, deliver_subject=_NOWHERE, max_waiting=None)
            await stream.add_consumer(STREAM, config=config)

    _administer(server, divert)


def corrupt_block(server: Nats, payload: bytes) -> None:
    """Flip bits of a message in the stream's file; the server does not run."""
    assert not server.running
    (block,) = [
        path for path in server.directory.rglob("$MQTT_msgs/msgs/*.blk")
        if payload in path.read_bytes()
    ]  # fmt: skip
    begin = block.read_bytes().index(payload)
    with block.open("r+b") as file:
        file.seek(begin)
        flipped = bytes(byte ^ 0xFF for byte in file.read(4))
        file.seek(begin)
        file.write(flipped)


async def _consumers(stream: JetStreamContext) -> list[ConsumerInfo]:
    return [info for info in await stream.consumers_info(STREAM) if info.name != KEEPER]


def _administer(server: Nats, work: Callable[[JetStreamContext], Awaitable[object]]) -> None:
    async def call() -> None:
        client = await nats.connect(
            server.nats_url,
            connect_timeout=1,
            allow_reconnect=False,
            # one that is away is tried sixty times otherwise
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
        )
        try:
            await work(client.jetstream())
        finally:
            await client.close()

    asyncio.run(call())
