"""The durable consumer on NATS' stream of MQTT messages: made, found again, told its subjects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import BadRequestError, NotFoundError

from services.ingest.sources.damage import Damage, StreamEnd
from services.ingest.sources.jetstream.guard import replacing
from services.ingest.sources.jetstream.leadership import Leadership, let_lead
from services.ingest.sources.jetstream.subjects import MESSAGES
from services.ingest.sources.source import SourceError

STREAM: Final = "$MQTT_msgs"

#: Unbounded: each ingest asks for no more than it has room for.
_MAX_ACK_PENDING: Final = -1

#: Whose a consumer is, whatever was made of it.
_OURS: Final = "tonne ingest"

_REPLICAS_IN_A_CLUSTER: Final = 3


@dataclass(slots=True)
class Memory:
    """What is known of a consumer and its stream beyond one connection."""

    damage: Damage = field(default_factory=Damage)
    end: StreamEnd = field(init=False)
    leadership: Leadership = field(default_factory=Leadership)
    #: of which stream the following is; None: this process never had the consumer
    era: datetime | None = None
    #: everything up to this message of the stream was acknowledged when it was looked at last
    floor: int = 0

    def __post_init__(self) -> None:
        self.end = StreamEnd(self.damage)


class Durable:
    """One durable pull consumer, shared by every ingest process that gives the same name.

    NATS throws away what no consumer wants: when ours is deleted, also what waits for it. What
    another one keeps in the stream is read on from where ours was.
    """

    def __init__(self, client: Client, name: str, *, ack_wait_s: float, memory: Memory) -> None:
        self._client = client
        self._memory = memory
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
        stream = await self._ensure_stream()
        self._memory.end.look(stream.created, stream.state.last_seq)
        known = self._memory.era is not None
        same_stream = self._memory.era == stream.created
        try:
            config = (await self._stream.consumer_info(STREAM, self._name)).config
        except NotFoundError:
            if same_stream:
                self._memory.damage.note("consumer-deleted")
            await self._make(subjects, stream)
        else:
            if config.deliver_subject is None and config.ack_policy == AckPolicy.EXPLICIT:
                await self._adopt(config, subjects)
            elif known or config.description == _OURS:
                self._memory.damage.note("consumer-changed")
                wanted = sorted(MESSAGES + subject for subject in subjects)
                async with replacing(self._stream, STREAM, self._name, wanted):
                    await self._make(subjects, stream)
            else:
                raise SourceError(
                    f"NATS has a consumer {self._name!r} that is no pull consumer with explicit"
                    " acknowledgements; give another TONNE_MQTT_CLIENT_ID"
                )
        if not same_stream:
            self._memory.era, self._memory.floor = stream.created, 0
        return stream.created

    async def look(self) -> int:
        """Note how far the consumer and the stream are, and return how many messages wait.

        Where the server that delivers lacks what the stream has, another one is asked to.

        :raises nats.errors.Error: NATS does not answer, refuses, or has no such consumer.
        """
        stream = await self._stream.stream_info(STREAM)
        self._memory.end.look(stream.created, stream.state.last_seq)
        info = await self._stream.consumer_info(STREAM, self._name)
        if info.ack_floor is not None:
            self._memory.era, self._memory.floor = stream.created, info.ack_floor.stream_seq
        if server := self._memory.leadership.better(stream, info):
            await let_lead(self._client, STREAM, self._name, server)
        return info.num_pending or 0

    async def _make(self, subjects: frozenset[str], stream: StreamInfo) -> None:
        floor = self._memory.floor
        self._config = ConsumerConfig(
            name=self._name,
            durable_name=self._name,
            description=_OURS,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait_s,
            max_ack_pending=_MAX_ACK_PENDING,
        )
        # what went back counts its messages anew
        if self._memory.era == stream.created and 0 < floor <= stream.state.last_seq:
            self._config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
            self._config.opt_start_seq = floor + 1
        await self.listen_to(subjects)

    async def _adopt(self, config: ConsumerConfig, subjects: frozenset[str]) -> None:
        self._config = config
        present = _subjects_of(config)
        if not subjects <= present:
            try:
                await self.listen_to(subjects | present)
            except BadRequestError:
                # what is there overlaps with ours: it was not made by this version
                await self.listen_to(subjects)

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

    async def _ensure_stream(self) -> StreamInfo:
        """NATS makes the stream when the first MQTT client connects: too late for a consumer.

        What is published before anybody wants it is thrown away. The settings are NATS' own
        (``mqttCreateAccountSessionManager``), which takes a stream that is there as it is.
        """
        try:
            return await self._stream.stream_info(STREAM)
        except NotFoundError:
            return await self._stream.add_stream(
                StreamConfig(
                    name=STREAM,
                    subjects=[f"{MESSAGES}>"],
                    storage=StorageType.FILE,
                    retention=RetentionPolicy.INTEREST,
                    num_replicas=_REPLICAS_IN_A_CLUSTER if self._client.discovered_servers else 1,
                )
            )


def _subjects_of(config: ConsumerConfig) -> frozenset[str]:
    several = config.filter_subjects or [config.filter_subject or f"{MESSAGES}>"]
    return frozenset(subject.removeprefix(MESSAGES) for subject in several)
