"""Publishes totals for Home Assistant beside the delivery of alerts, which it never delays.

It shares their connection to the broker: some brokers let an account have one alone. So it runs in
the notifier that delivers alerts to topics, and an error of it ends no delivery. What it published
is told by the broker: a retained state says where it was announced. So whatever stands of a
facility that is not to be published any more is retracted, by any notifier, however much later.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import psycopg
import structlog

from services.core.runtime.backoff import Backoff
from services.core.runtime.clock import Clock
from services.core.store.database import notify
from services.core.store.database.connect import connect_async
from services.core.store.operations.readiness import alerts_arise
from services.core.store.registry import read, recipients
from services.notify.broker_connection import BrokerConnection
from services.notify.homeassistant import topics
from services.notify.homeassistant.announced import Announced, Pace
from services.notify.links import page_of

if TYPE_CHECKING:
    from services.notify.homeassistant.reader import Reader

log = structlog.get_logger()

#: Longest wait without a look at what the broker said.
_LOOK_S = 1.0
#: A broker may end the connection for what it does not allow: alerts need it too.
_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 900.0


class Announcer:
    """Keeps what is retained for Home Assistant as facility files ask for."""

    def __init__(
        self,
        database_url: str,
        *,
        clock: Clock,
        public_url: str | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Create it; ``public_url``: where people reach the dashboard."""
        self._url = database_url
        self._clock = clock
        self._public_url = public_url
        self._pace = pace or Pace()
        self._announced: dict[str, Announced] = {}
        #: where the broker says, or was told, that a facility is announced
        self._standing: dict[str, str] = {}
        #: the connection that has told what is retained
        self._told_by: BrokerConnection | None = None
        self._revision = -1
        self._is_registry_new = True
        self._problem: str | None = None
        self._reader: Reader | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether there is, or may be, something to publish or to retract."""
        return self._told_by is None or bool(self._announced or self._standing)

    def notices(self) -> list[dict[str, str]]:
        """Return the notices of readiness."""
        if self._problem is None:
            return []
        detail = f"totals are not published to Home Assistant: {self._problem}"
        return [{"code": "totals-not-published", "detail": detail}]

    def take_note(self, message: paho.MQTTMessage) -> None:
        """Take note of what the broker has retained."""
        if standing := topics.standing(message.topic, bytes(message.payload)):
            facility, announced_at = standing
            self._standing[facility] = announced_at

    async def run(self, connected: Callable[[], Awaitable[BrokerConnection]]) -> None:
        """Publish until cancelled; wait while the database or the broker is away.

        ``connected``: returns the connection to the broker, :meth:`take_note` being told what
        comes; another one after that has ended.
        """
        backoff = Backoff(shortest_s=_FIRST_RETRY_S, longest_s=_LONGEST_RETRY_S)
        try:
            while True:
                try:
                    await self._session(connected, backoff)
                except Exception as error:  # noqa: BLE001 - alerts are delivered whatever it is
                    delay_s = backoff.next_s()
                    self._tell(error, delay_s)
                    await asyncio.sleep(delay_s)
        finally:
            if self._reader is not None:
                await self._reader.close()
                self._reader = None

    def _tell(self, error: Exception, delay_s: float) -> None:
        # the text of SQLAlchemy's errors has statements
        reason = str(getattr(error, "orig", error)).strip() or type(error).__name__
        self._problem = reason if self._announced else None
        # where nobody asked for totals there may be none to retract either
        tell = log.warning if self._announced else log.debug
        tell("totals not published, will retry", reason=reason, in_s=round(delay_s, 1))

    async def _session(
        self, connected: Callable[[], Awaitable[BrokerConnection]], backoff: Backoff
    ) -> None:
        """Work on one connection to the database."""
        async with await connect_async(
            self._url, process="notify", role="tonne_notify", autocommit=True
        ) as connection:
            await notify.listen_async(connection, notify.LIVE, notify.REGISTRY)
            self._is_registry_new = True
            while True:
                await self._follow_registry(connection)
                broker = await connected()
                if broker is not self._told_by:
                    await self._begin(broker)
                await self._retract(broker)
                await self._publish_due(connection, broker)
                self._problem = None
                backoff.reset()
                await self._hear(connection)

    async def _begin(self, broker: BrokerConnection) -> None:
        """Have all that is retained told; publish everything anew, for that may be nothing.

        Nothing is published before all is told: it would replace what says where to retract.
        """
        self._standing.clear()
        for facility in self._announced.values():
            facility.discovery, facility.read_s = None, -math.inf
        await broker.tell_retained(topics.ALL_TOTALS)
        self._told_by = broker

    # -- what there is to publish -------------------------------------------------------------

    async def _hear(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Wait for what the database tells, until something is due or for a moment."""
        now_s = time.monotonic()
        due_s = [facility.due_s(self._pace) - now_s for facility in self._announced.values()]
        wait_s = max(0.0, min([_LOOK_S, *due_s]))
        async for notification in connection.notifies(timeout=wait_s, stop_after=1):
            if notification.channel == notify.REGISTRY:
                self._is_registry_new = True
            elif facility := self._announced.get(notification.payload):
                facility.changed = True

    async def _follow_registry(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if not self._is_registry_new:
            return
        self._is_registry_new = False
        self._revision = await read.revision_async(connection)
        before = self._announced
        self._announced = {}
        for slug, name, prefix in await recipients.announced(connection):
            facility = Announced(slug=slug, name=name, topic=topics.discovery_topic(slug, prefix))
            if (known := before.get(slug)) and known.topic == facility.topic:
                facility.discovery, facility.read_s = known.discovery, known.read_s
            self._announced[slug] = facility

    # -- what is retained ---------------------------------------------------------------------

    async def _retract(self, broker: BrokerConnection) -> None:
        """Take back what is announced elsewhere, or not to be announced any more."""
        for slug, topic in list(self._standing.items()):
            facility = self._announced.get(slug)
            if facility is not None and facility.topic == topic:
                continue
            await broker.publish(topic, b"", retain=True)
            if facility is None:
                await broker.publish(topics.totals_topic(slug), b"", retain=True)
                log.info("totals retracted", facility=slug)
            del self._standing[slug]

    async def _publish_due(
        self, connection: psycopg.AsyncConnection[Any], broker: BrokerConnection
    ) -> None:
        now_s = time.monotonic()
        due = [f for f in self._announced.values() if f.due_s(self._pace) <= now_s]
        if not due:
            return
        for facility in due:
            facility.changed, facility.read_s = False, now_s
        # figures of a pipeline that stands still expire
        if await alerts_arise(connection):
            for facility in due:
                await self._publish(facility, broker)

    async def _publish(self, facility: Announced, broker: BrokerConnection) -> None:
        if self._reader is None:
            # it brings SQLAlchemy's ORM along, which other sites do without
            from services.notify.homeassistant.reader import Reader  # noqa: PLC0415

            self._reader = Reader(self._url)
        messages = await self._reader.read(
            facility,
            self._clock.now(),
            revision=self._revision,
            expire_after_s=self._pace.expire_after_s,
            page=page_of(self._public_url, facility.slug),
        )
        if messages is None:
            return
        # sensors of a new source ask for its figures; but what is announced has to be found again,
        # and is so by the totals alone
        if self._standing.get(facility.slug) == facility.topic:
            await self._announce(facility, messages.discovery, broker)
        await broker.publish(topics.totals_topic(facility.slug), messages.totals, retain=True)
        self._standing[facility.slug] = facility.topic
        await self._announce(facility, messages.discovery, broker)

    async def _announce(
        self, facility: Announced, discovery: bytes, broker: BrokerConnection
    ) -> None:
        if facility.discovery != discovery:
            await broker.publish(facility.topic, discovery, retain=True)
            facility.discovery = discovery
