"""What NATS does not keep in its stream of messages: those of quality 0."""

from __future__ import annotations

from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from services.ingest.sources.jetstream.burst import Burst
from services.ingest.sources.jetstream.subjects import topic
from services.ingest.sources.source import Message


class Unstored:
    """Listens to the devices themselves, as a group: one of several processes gets each message."""

    def __init__(
        self, client: Client, *, group: str, burst: Burst, room: Callable[[], int]
    ) -> None:
        self._client = client
        self._group = group
        self._burst = burst
        self._room = room
        self._subscriptions: dict[str, Subscription] = {}

    @property
    def subjects(self) -> frozenset[str]:
        """What is listened to."""
        return frozenset(self._subscriptions)

    async def listen_to(self, subjects: frozenset[str]) -> None:
        """Make ``subjects`` the whole set.

        :raises nats.errors.Error: the connection is lost.
        """
        for subject in self.subjects - subjects:
            await self._subscriptions.pop(subject).unsubscribe()
        for subject in sorted(subjects - self.subjects):
            self._subscriptions[subject] = await self._client.subscribe(
                subject, queue=self._group, cb=self._on_message
            )

    async def _on_message(self, heard: Msg) -> None:
        # what is stored comes from the stream; what was not published by MQTT is not for us; and
        # quality 0 promises nothing to what finds no room
        if (heard.headers or {}).get("Nmqtt-Pub") == "0" and self._room() > 0:
            arrival = self._burst.arrival()
            self._burst.add(
                Message(
                    topic=topic(heard.subject), payload=heard.data, received_at=arrival, token=None
                )
            )
