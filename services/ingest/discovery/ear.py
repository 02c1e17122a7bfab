"""What discovery hears with: a session of its own at the broker, of quality 0 and without memory.

Whatever the broker cannot deliver to it is lost to discovery alone; the durable session of ingest
knows nothing of it.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import MACHINE, Clock
from services.core.runtime.mqtt_client import MqttClient

_KEEPALIVE_S: Final = 30
#: A broker that takes a session and grants no topics answers pings: nothing else would show it.
_GRANTED_WITHIN_S: Final = 10.0
#: Packets that are read at once.
_BURST: Final = 200


class EarError(Exception):
    """Nothing can be heard just now; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """A message as discovery heard it."""

    topic: str
    payload: bytes
    received_at: datetime
    #: the broker stored it for new subscribers, who knows for how long
    is_retained: bool


class Ear(Protocol):
    """Hears what is published at some topics, while it is open."""

    def open(self) -> None:
        """Connect and ask for the topics.

        :raises EarError: the broker is away, or refuses.
        """

    def listen(self, timeout_s: float) -> Sequence[Heard]:
        """Return what has come, after at most ``timeout_s``.

        :raises EarError: the connection is lost, or the broker does not grant the topics.
        """

    @property
    def is_granted(self) -> bool:
        """Whether the broker brings the topics: what is published from now on is heard."""

    def close(self) -> None:
        """End the connection, and with it what the broker does for it."""


class MqttEar:
    """An :class:`Ear` at any broker of MQTT 3.1.1."""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        filters: Sequence[str],
        tls: ssl.SSLContext | None,
        clock: Clock = MACHINE,
        granted_within_s: float = _GRANTED_WITHIN_S,
    ) -> None:
        """``clock``: the time at which messages arrive.

        ``granted_within_s``: by when the broker has to grant the topics, or it is asked anew.
        """
        self._url = url
        self._clock = clock
        self._filters = filters
        self._tls = tls
        self._client: MqttClient | None = None
        self._heard: list[Heard] = []
        self._trouble = ""
        self._granted_within_s = granted_within_s
        #: by when the topics have to be granted, by the monotonic clock; None: they are
        self._granted_until_s: float | None = None

    def open(self) -> None:
        """As :class:`Ear`."""
        client = MqttClient.for_broker(
            self._url, client_id=f"tonne-discovery-{secrets.token_hex(4)}", tls=self._tls
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        self._client, self._trouble = client, ""
        self._granted_until_s = time.monotonic() + self._granted_within_s
        try:
            client.connect(self._url.host, self._url.port, keepalive=_KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self.close()
            raise EarError(f"the broker is away: {error}") from None

    def listen(self, timeout_s: float) -> Sequence[Heard]:
        """As :class:`Ear`."""
        client = self._client
        if client is None:
            raise EarError("the connection is closed")
        for i in range(_BURST):
            # only the first waits: what has come is handed on at once
            code = client.loop(timeout_s if i == 0 else 0.0)
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._trouble = self._trouble or "the connection was lost"
                break
            if len(self._heard) <= i:
                break
        heard, self._heard = self._heard, []
        if self._granted_until_s is not None and time.monotonic() > self._granted_until_s:
            self._trouble = self._trouble or (
                f"the broker has not granted the topics within {self._granted_within_s:g} s"
            )
        if self._trouble and not heard:
            trouble = self._trouble
            self.close()
            raise EarError(trouble)
        return heard

    @property
    def is_granted(self) -> bool:
        """As :class:`Ear`."""
        return self._client is not None and self._granted_until_s is None

    def close(self) -> None:
        """As :class:`Ear`."""
        client, self._client = self._client, None
        self._heard = []
        self._url = self._url.next_server()
        if client is not None:
            client.disconnect()
            client.release()

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._trouble = f"the broker refuses the session ({code.getName()})"
            return
        client.subscribe([(filter_, 0) for filter_ in self._filters])

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _packet_id: int,
        codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._granted_until_s = None
        refused = [
            name for name, code in zip(self._filters, codes, strict=False) if code.is_failure
        ]
        if len(refused) == len(self._filters):
            self._trouble = f"the broker grants none of {', '.join(refused)}"

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._trouble = self._trouble or f"the connection was lost ({code.getName()})"

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._heard.append(
            Heard(
                topic=topic,
                payload=bytes(message.payload),
                received_at=self._clock.now(),
                is_retained=message.retain,
            )
        )
