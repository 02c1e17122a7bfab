"""The durable consumer on NATS' stream of MQTT messages: made, found again, told its subjects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from services.ingest.sources.jetstream.subjects import MESSAGES
from services.ingest.sources.source import SourceError

STREAM: Final = "$MQTT_msgs"

#: Unbounded: each ingest asks for no more than it has room for.
_MAX_ACK_PENDING: Final = -1

_REPLICAS_IN_A_CLUSTER: Final = 3


class Durable:
    """One durable pull consumer, shared by every ingest process that gives the same name."""

    def __init__(self, client: Client, name: str, *, ack_wait_s: float) -> None:
        self._client = client
        self._stream = client.jetstream()
        self._name = name
        self._ack_wait_s = ack_wait_s
        self._config = ConsumerConfig()

    @property
    def next_subject(self) -> str:
        """Where messages are asked for."""
        return f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._name}"

    async def ensure(self, subjects: frozenset[str]) -> datetime | None:
        """Make the consumer, or let the one that is there listen to ``subjects`` too.

        Returns when the stream was made: its sequence numbers mean nothing beyond it.

        Nothing is taken off it here: another process may know more devices, and what a consumer
        listens to no more NATS throws away.

        :raises SourceError: there is a consumer of this name that is none of ours.
        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        era = await self._ensure_stream()
        try:
            config = (await self._stream.consumer_info(STREAM, self._name)).config
        except NotFoundError:
            self._config = ConsumerConfig(
                name=self._name,
                durable_name=self._name,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._ack_wait_s,
                max_ack_pending=_MAX_ACK_PENDING,
            )
            await self.listen_to(subjects)
            return era
        if config.deliver_subject is not None or config.ack_policy != AckPolicy.EXPLICIT:
            raise SourceError(
                f"NATS has a consumer {self._name!r} that is no pull consumer with explicit"
                " acknowledgements; give another TONNE_MQTT_CLIENT_ID"
            )
        self._config = config
        present = _subjects_of(config)
        if not subjects <= present:
            try:
                await self.listen_to(subjects | present)
            except BadRequestError:
                # what is there overlaps with ours: it was not made by this version
                await self.listen_to(subjects)
        return era

    async def listen_to(self, subjects: Iterable[str]) -> None:
        """Make ``subjects``, without their prefix, the whole set of what is listened to.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        self._config.filter_subject = None
        self._config.filter_subjects = sorted(MESSAGES + subject for subject in subjects)
        await self._stream.add_consumer(STREAM, config=self._config)

    async def newest(self) -> int:
        """Return the sequence number of the newest message of the stream.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        return (await self._stream.stream_info(STREAM)).state.last_seq

    async def is_through(self, sequence: int) -> bool:
        """Whether all up to a message was acknowledged, by whichever process had it.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        info = await self._stream.consumer_info(STREAM, self._name)
        floor = 0 if info.ack_floor is None else info.ack_floor.stream_seq
        return floor >= sequence or not (info.num_pending or info.num_ack_pending)

    async def _ensure_stream(self) -> datetime | None:
        """NATS makes the stream when the first MQTT client connects: too late for a consumer.

        What is published before anybody wants it is thrown away. The settings are NATS' own
        (``mqttCreateAccountSessionManager``), which takes a stream that is there as it is.
        """
        try:
            info = await self._stream.stream_info(STREAM)
        except NotFoundError:
            info = await self._stream.add_stream(
                StreamConfig(
                    name=STREAM,
                    subjects=[f"{MESSAGES}>"],
                    storage=StorageType.FILE,
                    retention=RetentionPolicy.INTEREST,
                    num_replicas=_REPLICAS_IN_A_CLUSTER if self._client.discovered_servers else 1,
                )
            )
        return info.created


def _subjects_of(config: ConsumerConfig) -> frozenset[str]:
    several = config.filter_subjects or [config.filter_subject or f"{MESSAGES}>"]
    return frozenset(subject.removeprefix(MESSAGES) for subject in several)
