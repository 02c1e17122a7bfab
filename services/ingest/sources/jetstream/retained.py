"""What NATS retains for new subscribers, as an MQTT broker hands it to a new subscription."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from services.ingest.sources.jetstream.subjects import RETAINED, topic
from services.ingest.sources.source import Message

_STREAM: Final = "$MQTT_rmsgs"
_AT_ONCE: Final = 200
_ANSWER_S: Final = 5.0


class Retained:
    """What was retained at the moment of :meth:`ask`; what is published later is no part of it.

    A durable consumer brings that by itself, and whoever read it here too would have it twice.
    """

    def __init__(self, reader: JetStreamContext.PullSubscription, pending: int, last: int) -> None:
        self._reader = reader
        self._pending = pending
        #: sequence of the newest at that moment
        self._last = last

    @classmethod
    async def ask(cls, client: Client, subjects: frozenset[str]) -> Self | None:
        """Note what is retained of ``subjects``, which are without prefix; None: nothing is.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        stream = client.jetstream()
        try:
            last = (await stream.stream_info(_STREAM)).state.last_seq
            info = await stream.add_consumer(
                _STREAM,
                ConsumerConfig(
                    ack_policy=AckPolicy.NONE,
                    filter_subjects=sorted(RETAINED + subject for subject in subjects),
                    inactive_threshold=_ANSWER_S * 2,
                    mem_storage=True,
                ),
            )
        except NotFoundError:
            # no MQTT client was ever there
            return None
        reader = await stream.pull_subscribe_bind(info.name, _STREAM)
        return cls(reader, info.num_pending or 0, last)

    async def messages(self) -> AsyncIterator[list[Message]]:
        """Read them, the newest of each topic.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        left = self._pending
        try:
            while left > 0:
                try:
                    fetched = await self._reader.fetch(min(left, _AT_ONCE), timeout=_ANSWER_S)
                except nats.errors.TimeoutError:
                    # replaced or taken back meanwhile
                    return
                left -= len(fetched)
                now = datetime.now(UTC)
                # without a payload: a retained message that was taken back
                yield [
                    _message(message, now)
                    for message in fetched
                    if message.data and message.metadata.sequence.stream <= self._last
                ]
        finally:
            with suppress(nats.errors.Error):
                await self._reader.unsubscribe()


def _message(stored: Msg, now: datetime) -> Message:
    return Message(
        topic=topic(stored.subject.removeprefix(RETAINED)),
        payload=stored.data,
        received_at=now,
        stored_at=stored.metadata.timestamp,
        token=None,
        retained=True,
    )
