"""MQTT: the alert's JSON, retained at the threshold's topic, so that a late subscriber sees it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final

import structlog
from paho.mqtt.enums import MQTTProtocolVersion

from services.core.runtime import tasks
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.settings import MqttVersion
from services.notify.broker_connection import BrokerConnection, VersionRefusedError
from services.notify.channel import DeliveryError
from services.notify.homeassistant.announcer import Announcer
from services.notify.message import HEARTBEAT, TEST, Message

_log: Final = structlog.get_logger()

#: At topics of their own, which no threshold can have: ids hold no underscore.
_SPECIAL_TOPICS = {TEST: "_test", HEARTBEAT: "_heartbeat"}


_VERSIONS: Final = {
    "auto": (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311),
    "5": (MQTTProtocolVersion.MQTTv5,),
    "3.1.1": (MQTTProtocolVersion.MQTTv311,),
}


def topic_of(message: Message) -> str:
    """Return the topic of a message."""
    name = _SPECIAL_TOPICS.get(message.kind) or message.threshold
    return f"emissions/{message.facility}/alerts/{name}"


class MqttChannel:
    """Publishes at QoS 1; the broker accepts a message with its PUBACK.

    A failed connection is dropped with its unsent messages: an old message that arrived after a
    newer one would be retained in its place.
    """

    max_at_once = 64
    repeat_every_s = None

    def __init__(
        self,
        broker: BrokerUrl,
        *,
        tls: ssl.SSLContext | None,
        version: MqttVersion = "auto",
        announcer: Announcer | None = None,
    ) -> None:
        """Create it.

        ``version``: of MQTT; ``auto``: 5 where the broker speaks it, which says of a message that
        it was refused. ``announcer``: publishes totals by the same connection until it is closed.
        """
        #: what to ask for, that which the broker spoke last first
        self._versions = _VERSIONS[version]
        self._broker = broker
        self._tls = tls
        self._announcer = announcer
        self._connection: BrokerConnection | None = None
        self._connecting = asyncio.Lock()
        self._announcing = (
            None if announcer is None else asyncio.create_task(announcer.run(self._connected))
        )

    async def send(self, message: Message) -> None:
        """See :class:`.channel.Channel`."""
        connection = await self._connected()
        try:
            await connection.publish(
                topic_of(message), message.payload(), retain=message.kind != TEST
            )
        except DeliveryError:
            if self._connection is connection:
                self._connection = None
            await connection.close()
            raise

    async def _connected(self) -> BrokerConnection:
        if self._broker.protocol != "mqtt":
            raise DeliveryError(
                "retained messages go by MQTT; give the notifier a TONNE_MQTT_URL that begins with"
                " mqtt:// or mqtts://"
            )
        async with self._connecting:
            if self._connection is None or not self._connection.alive:
                if self._connection is not None:
                    await self._connection.close()
                self._connection = None
                self._connection = await self._opened()
            return self._connection

    async def _opened(self) -> BrokerConnection:
        """Connect to the first server that lets us, the one of last time before the others."""
        *servers, last = self._broker.servers()
        for server in servers:
            try:
                return await self._opened_at(server)
            except DeliveryError as error:
                _log.info("the next server is tried", reason=str(error))
                self._broker = self._broker.next_server()
        return await self._opened_at(last)

    async def _opened_at(self, server: BrokerUrl) -> BrokerConnection:
        """Open a connection by the first version of MQTT that the broker speaks."""
        refused: VersionRefusedError | None = None
        for version in self._versions:
            connection = BrokerConnection(
                server,
                self._tls,
                max_at_once=self.max_at_once,
                version=version,
                on_message=None if self._announcer is None else self._announcer.take_note,
            )
            try:
                await connection.open()
            except VersionRefusedError as error:
                refused = refused or error
                continue
            self._versions = (version, *(other for other in self._versions if other != version))
            return connection
        assert refused is not None  # noqa: S101 - there is a version to ask for
        raise refused

    async def repeat(self, messages: Sequence[Message]) -> None:
        """Do nothing: the broker retains messages."""

    async def close(self) -> None:
        """Disconnect."""
        await tasks.end(self._announcing)
        if self._connection is not None:
            await self._connection.close()
