"""What NATS retains for new subscribers, as an MQTT broker hands it to a new subscription."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Final, Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from services.core.runtime.clock import Clock
from services.ingest.sources.jetstream.subjects import RETAINED, topic
from services.ingest.sources.source import Message

_STREAM: Final = "$MQTT_rmsgs"
_AT_ONCE: Final = 200
_ANSWER_S: Final = 5.0


class Retained:
    """What was retained at the moment of :meth:`ask`; what is published later is no part of it.

    A durable consumer brings that by itself, and whoever read it here too would have it twice.

    The moment is a sequence number of the stream and not a time, which would compare the clocks of
    two leaders in a cluster. A consumer of what is new begins after the newest there is, and NATS
    says where that is when it makes one: asking the stream itself would take a right that users
    were not told to give. In a cluster it is the newest that the server has which runs the
    consumer; one that is behind the others by some milliseconds leaves these out.
    """

    def __init__(self, client: Client, subjects: frozenset[str], last: int, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._subjects = subjects
        #: sequence of the newest at that moment
        self._last = last

    @classmethod
    async def ask(cls, client: Client, subjects: frozenset[str], clock: Clock) -> Self | None:
        """Note what is retained of ``subjects``, which are without prefix; None: nothing is.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        try:
            newest = await _consumer(client, subjects, DeliverPolicy.NEW)
        except NotFoundError:
            # no MQTT client was ever there
            return None
        begin = newest.delivered
        return cls(client, subjects, 0 if begin is None else begin.stream_seq, clock)

    async def messages(self) -> AsyncIterator[list[Message]]:
        """Read them, the newest of each topic.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        try:
            info = await _consumer(self._client, self._subjects, DeliverPolicy.ALL)
        except NotFoundError:
            return
        left = info.num_pending or 0
        reader = await self._client.jetstream().pull_subscribe_bind(info.name, _STREAM)
        try:
            while left > 0:
                try:
                    fetched = await reader.fetch(min(left, _AT_ONCE), timeout=_ANSWER_S)
                except nats.errors.TimeoutError:
                    # replaced or taken back meanwhile
                    return
                left -= len(fetched)
                now = self._clock.now()
                sequences = [message.metadata.sequence.stream for message in fetched]
                # without a payload: a retained message that was taken back
                yield [
                    _message(message, now)
                    for message, sequence in zip(fetched, sequences, strict=True)
                    if message.data and sequence <= self._last
                ]
                if sequences[-1] >= self._last:
                    return
        finally:
            with suppress(nats.errors.Error):
                await reader.unsubscribe()


async def _consumer(
    client: Client, subjects: frozenset[str], policy: DeliverPolicy
) -> ConsumerInfo:
    """Make one that NATS forgets by itself."""
    return await client.jetstream().add_consumer(
        _STREAM,
        ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            deliver_policy=policy,
            filter_subjects=sorted(RETAINED + subject for subject in subjects),
            inactive_threshold=_ANSWER_S * 2,
            mem_storage=True,
        ),
    )


def _message(stored: Msg, now: datetime) -> Message:
    return Message(
        topic=topic(stored.subject.removeprefix(RETAINED)),
        payload=stored.data,
        received_at=now,
        stored_at=stored.metadata.timestamp,
        token=None,
        retained=True,
    )
