"""A consumer that keeps what the stream has while another one is deleted and made again.

NATS throws away what no consumer wants, so to delete the last one empties the stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError


@asynccontextmanager
async def replacing(
    stream: JetStreamContext, stream_name: str, name: str, subjects: Sequence[str]
) -> AsyncIterator[None]:
    """Delete a consumer of ``subjects``; within, make the one that takes its place.

    Several processes may do the same at once: their guards are one, by its name.

    :raises nats.errors.Error: NATS does not answer, or refuses.
    """
    guard = f"{name}-guard"
    await stream.add_consumer(
        stream_name,
        ConsumerConfig(
            durable_name=guard, ack_policy=AckPolicy.EXPLICIT, filter_subjects=list(subjects)
        ),
    )
    try:
        with suppress(NotFoundError):
            await stream.delete_consumer(stream_name, name)
        yield
    finally:
        with suppress(NotFoundError):
            await stream.delete_consumer(stream_name, guard)
