"""One connection to the broker, for what the notifier publishes and hears by MQTT."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.mqtt_client import MqttClient
from services.notify.channel import DeliveryError

_CONNECT_S = 5.0
#: As paho says it of either version.
_NOT_SPOKEN = "Unsupported protocol version"
_NOT_ALLOWED = "Not authorized"
_PUBACK_S = 10.0


class VersionRefusedError(DeliveryError):
    """The broker does not speak the version of MQTT that it was asked for."""


class BrokerConnection:
    """One connection of paho, whose callbacks run in a thread of its own; it never reconnects."""

    def __init__(
        self,
        broker: BrokerUrl,
        tls: ssl.SSLContext | None,
        *,
        max_at_once: int,
        version: MQTTProtocolVersion,
        on_message: Callable[[paho.MQTTMessage], None] | None = None,
    ) -> None:
        """Create it.

        ``max_at_once``: publications in flight; ``version``: of MQTT; ``on_message``: called in the
        event loop with what comes of subscriptions.
        """
        self._loop = asyncio.get_running_loop()
        self._broker = broker
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._acks: dict[int, asyncio.Future[None]] = {}
        #: acknowledgements that overtook the call that they answer
        self._early: dict[int, str | None] = {}
        self.alive = False
        self._closed = False
        self._client = client = MqttClient.for_broker(
            broker,
            client_id=f"tonne-notify-{uuid.uuid4().hex[:12]}",
            tls=tls,
            version=version,
        )
        client.max_inflight_messages_set(max_at_once)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        if on_message is not None:
            client.on_message = lambda _client, _data, message: self._soon(on_message, message)

    async def open(self) -> None:
        """Connect.

        :raises VersionRefusedError: the broker speaks another version of MQTT.
        :raises DeliveryError: it is away, or refuses.
        """
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
        except BaseException:
            # one who is cancelled, too, leaves neither a connection nor a thread
            await self.close()
            raise

    def _connect(self) -> None:
        self._client.connect(self._broker.host, self._broker.port, keepalive=15)
        if self._closed:
            # the caller has given up
            self._client.release()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish at QoS 1; return when the broker has accepted it.

        :raises DeliveryError: it refused, is away, or did not answer in time.
        """
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        await self._acknowledgement(sent.rc, sent.mid)

    async def tell_retained(self, topic: str) -> None:
        """Have what is retained at ``topic`` told; return after ``on_message`` was told all of it.

        A broker sends it before it acknowledges that the subscription, at QoS 0, has ended.

        :raises DeliveryError: the broker refused, is away, or did not answer in time.
        """
        await self._acknowledgement(*self._client.subscribe(topic, qos=0))
        await self._acknowledgement(*self._client.unsubscribe(topic))

    async def _acknowledgement(self, result: int, mid: int | None) -> None:
        if result != paho.MQTT_ERR_SUCCESS or mid is None:
            raise DeliveryError(f"the broker at {self._broker.address} is away")
        if mid in self._early:
            problem = self._early.pop(mid)
            if problem is not None:
                raise DeliveryError(problem)
            return
        ack = self._acks[mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(_PUBACK_S):
                await ack
        except TimeoutError:
            raise DeliveryError(
                f"the broker at {self._broker.address} did not acknowledge in {_PUBACK_S:g} s"
            ) from None
        finally:
            self._acks.pop(mid, None)

    async def close(self) -> None:
        """Disconnect."""
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
        self._soon(self._ended, f"the broker at {self._broker.address} closed: {reason}")

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, properties: Any
    ) -> None:
        self._soon(self._acknowledged, mid, _refusal(reason, properties))

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, mid: int, reasons: Any, _properties: Any
    ) -> None:
        refused = any(reason.is_failure for reason in reasons)
        problem = "the broker refuses a subscription" if refused else None
        self._soon(self._acknowledged, mid, problem)

    def _on_unsubscribe(
        self, _client: paho.Client, _data: Any, mid: int, _reasons: Any, _properties: Any
    ) -> None:
        self._soon(self._acknowledged, mid, None)

    def _soon(self, call: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    # -- results of callbacks, in the event loop ----------------------------------------------

    def _connected(self, reason: ReasonCode) -> None:
        if reason.is_failure:
            problem = f"the broker at {self._broker.address} refused the connection: {reason}"
            kind = VersionRefusedError if reason.getName() == _NOT_SPOKEN else DeliveryError
            self._fail(problem, kind)
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

    def _ended(self, reason: str) -> None:
        """Note that the broker has closed the connection.

        Some close it without a word when they are asked for a version that they do not know.
        """
        self._fail(reason, DeliveryError if self._opened.done() else VersionRefusedError)

    def _fail(self, reason: str, kind: type[DeliveryError] = DeliveryError) -> None:
        self.alive = False
        for waiting in (self._opened, *self._acks.values()):
            if not waiting.done():
                waiting.set_exception(kind(reason))
                # mark it as retrieved: nobody may be waiting for it
                waiting.exception()


def _refusal(reason: ReasonCode, properties: Any) -> str | None:
    """Say why the broker did not take a message, in its own words too; None: it did.

    MQTT 3.1.1 cannot say it: there what is refused is acknowledged, and gone.
    """
    if not reason.is_failure:
        return None
    words = getattr(properties, "ReasonString", "")
    advice = (
        "; give the user of TONNE_MQTT_URL the right to publish at emissions/#"
        if reason.getName() == _NOT_ALLOWED
        else ""
    )
    return f"the broker refused it: {reason}{f': {words}' if words else ''}{advice}"
