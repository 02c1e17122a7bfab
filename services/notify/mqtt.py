"""MQTT: the alert's JSON, retained at the threshold's topic, so that a late subscriber sees it."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.mqtt_client import MqttClient
from services.notify.channel import DeliveryError
from services.notify.message import HEARTBEAT, TEST, Message

_CONNECT_S = 5.0
_PUBACK_S = 10.0

#: At topics of their own, which no threshold can have: ids hold no underscore.
_SPECIAL_TOPICS = {TEST: "_test", HEARTBEAT: "_heartbeat"}


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

    def __init__(self, broker: BrokerUrl, *, tls: ssl.SSLContext | None) -> None:
        self._broker = broker
        self._tls = tls
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def send(self, message: Message) -> None:
        """See :class:`.channel.Channel`."""
        if self._broker.protocol != "mqtt":
            raise DeliveryError(
                "retained messages go by MQTT; give the notifier a TONNE_MQTT_URL that begins with"
                " mqtt:// or mqtts://"
            )
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

    async def _connected(self) -> _Connection:
        async with self._connecting:
            if self._connection is None or not self._connection.alive:
                if self._connection is not None:
                    await self._connection.close()
                self._connection = None
                connection = _Connection(self._broker, self._tls)
                await connection.open()
                self._connection = connection
            return self._connection

    async def repeat(self, messages: Sequence[Message]) -> None:
        """Do nothing: the broker retains messages."""

    async def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            await self._connection.close()


class _Connection:
    """One connection of paho, whose callbacks run in a thread of its own."""

    def __init__(self, broker: BrokerUrl, tls: ssl.SSLContext | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._broker = broker
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._acks: dict[int, asyncio.Future[None]] = {}
        #: acknowledgements that overtook the call that they answer
        self._early: dict[int, str | None] = {}
        self.alive = False
        self._closed = False
        self._client = client = MqttClient(
            CallbackAPIVersion.VERSION2,
            client_id=f"tonne-notify-{uuid.uuid4().hex[:12]}",
            protocol=MQTTProtocolVersion.MQTTv311,
            transport=broker.transport,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_S
        client.max_inflight_messages_set(MqttChannel.max_at_once)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if tls is not None:
            client.tls_set_context(tls)
        if broker.transport == "websockets":
            client.ws_set_options(path=broker.path)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish

    async def open(self) -> None:
        try:
            async with asyncio.timeout(2 * _CONNECT_S):
                await asyncio.to_thread(self._connect)
                self._client.loop_start()
                await self._opened
        except (OSError, TimeoutError, ValueError) as error:
            await self.close()
            raise DeliveryError(
                f"the broker at {self._broker.address} cannot be reached ({error or 'no answer'})"
            ) from None
        except DeliveryError:
            await self.close()
            raise

    def _connect(self) -> None:
        self._client.connect(self._broker.host, self._broker.port, keepalive=15)
        if self._closed:
            # the caller has given up
            self._client.release()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        if sent.rc != paho.MQTT_ERR_SUCCESS:
            raise DeliveryError(f"the broker at {self._broker.address} is away")
        if sent.mid in self._early:
            problem = self._early.pop(sent.mid)
            if problem is not None:
                raise DeliveryError(problem)
            return
        ack = self._acks[sent.mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(_PUBACK_S):
                await ack
        except TimeoutError:
            raise DeliveryError(
                f"the broker at {self._broker.address} did not acknowledge in {_PUBACK_S:g} s"
            ) from None
        finally:
            self._acks.pop(sent.mid, None)

    async def close(self) -> None:
        self._fail("the connection was closed")
        self._closed = True
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._client.release()

    # -- callbacks, in paho's thread ----------------------------------------------------------

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._soon(self._connected, reason)

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._soon(self._fail, f"the broker at {self._broker.address} closed: {reason}")

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        problem = f"the broker refused it: {reason}" if reason.is_failure else None
        self._soon(self._acknowledged, mid, problem)

    def _soon(self, call: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    # -- results of callbacks, in the event loop ----------------------------------------------

    def _connected(self, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._fail(f"the broker at {self._broker.address} refused the connection: {reason}")
            return
        self.alive = True
        if not self._opened.done():
            self._opened.set_result(None)

    def _acknowledged(self, mid: int, problem: str | None) -> None:
        ack = self._acks.get(mid)
        if ack is None:
            self._early[mid] = problem
        elif not ack.done():
            if problem is None:
                ack.set_result(None)
            else:
                ack.set_exception(DeliveryError(problem))

    def _fail(self, reason: str) -> None:
        self.alive = False
        for waiting in (self._opened, *self._acks.values()):
            if not waiting.done():
                waiting.set_exception(DeliveryError(reason))
                # mark it as retrieved: nobody may be waiting for it
                waiting.exception()
