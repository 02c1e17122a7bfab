"""The host's connection to the broker: its certificates around what it hears.

A connection of its own, with a clean session, as the specification wants it of hosts; not
thread-safe, driven by :mod:`.door`.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.mqtt_client import MqttClient
from services.core.timeline.instants import to_us
from services.ingest.sparkplug import certificate
from services.ingest.sparkplug.certificate import Certificate, Session
from services.ingest.sparkplug.topics import group_filter, state_topic

_log: Final = structlog.get_logger()

_KEEPALIVE_S: Final = 30
#: How long a death may take to leave, and then the broker to let go.
_FAREWELL_S: Final = 2.0

#: Births and data of edge nodes come at 0, deaths at 1.
_QOS: Final = 1


class Connection:
    """One connection after the other; each begins with a will and ends with a death."""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        host_id: str,
        tls: ssl.SSLContext | None,
        heard: Callable[[str, bytes], None],
        began: Callable[[], None],
    ) -> None:
        """``heard``: takes topic and payload; ``began``: called when the host is online."""
        self._url = url
        self._host_id = host_id
        self._tls = tls
        self._heard = heard
        self._began = began
        self._client: MqttClient | None = None
        self._session: Session | None = None
        self._groups: frozenset[str] = frozenset()
        #: filters that are subscribed to, and packets that are not answered
        self._filters: frozenset[str] = frozenset()
        self._unanswered: set[int] = set()
        self._away = False

    @property
    def open(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None and self._client.socket() is not None

    @property
    def online(self) -> bool:
        """Whether its birth was published."""
        return self._session is not None and self._session.is_born

    def connect(self, groups: frozenset[str]) -> bool:
        """Try once to connect; False if the broker is away."""
        self.release()
        self._groups = groups
        session = Session(host_id=self._host_id, connected_ms=_now_ms())
        client = self._made_client()
        will = certificate.will(session)
        client.will_set(will.topic, will.payload, qos=certificate.QOS, retain=True)
        self._client, self._session = client, session
        try:
            client.connect(self._url.host, self._url.port, keepalive=_KEEPALIVE_S)
        except (OSError, ValueError) as error:
            # ValueError: a TLS certificate for another host, a name that cannot be one
            self._say_away(str(error))
            return False
        return True

    def listen(self, groups: frozenset[str]) -> None:
        """Hear these groups from now on."""
        self._groups = groups
        if self.online:
            self._subscribe()

    def turn_once(self, timeout_s: float) -> None:
        """Read and write what is due, waiting for the network."""
        if self._client is not None and self._client.loop(timeout_s) != (
            MQTTErrorCode.MQTT_ERR_SUCCESS
        ):
            self._lost()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a command, if there is a connection."""
        if self._client is not None and self.online:
            self._client.publish(topic, payload, qos=0)

    def leave(self) -> None:
        """Say that this host is offline, and disconnect."""
        client, session = self._client, self._session
        if client is not None and session is not None and self.open and session.is_born:
            self._session = replace(session, is_born=False)
            message = client.publish(*_arguments(certificate.death(session, _now_ms())))
            until_s = time.monotonic() + _FAREWELL_S
            while not message.is_published() and self.open and time.monotonic() < until_s:
                client.loop(0.05)
            self._away = True
            client.leave(_FAREWELL_S)
        self.release()

    def release(self) -> None:
        """Close what is open."""
        if self._client is not None:
            self._client.release()
        self._client = self._session = None
        self._filters = frozenset()
        self._unanswered.clear()

    def _made_client(self) -> MqttClient:
        client = MqttClient.for_broker(
            self._url,
            # nobody has to find this session again
            client_id=f"tonne-{secrets.token_hex(8)}",
            tls=self._tls,
            # tck-id-message-flow-phid-sparkplug-clean-session-311
            clean_session=True,
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _subscribe(self) -> None:
        """Hear the own state and the groups, and no others."""
        client = self._client
        if client is None:
            return
        wanted = frozenset({state_topic(self._host_id), *map(group_filter, self._groups)})
        for filter_ in sorted(self._filters - wanted):
            client.unsubscribe(filter_)
        for filter_ in sorted(wanted - self._filters):
            _, packet_id = client.subscribe(filter_, _QOS)
            if packet_id is not None:
                self._unanswered.add(packet_id)
        self._filters = wanted

    def _publish(self, message: Certificate) -> None:
        if self._client is not None:
            self._client.publish(*_arguments(message))

    # -- what paho calls ----------------------------------------------------------------------

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._say_away(code.getName())
            return
        self._subscribe()

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        packet_id: int,
        codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._unanswered.discard(packet_id)
        if codes[0].is_failure:
            _log.error(
                "the broker refuses a topic of Sparkplug; give ingest's account the rights that"
                " deploy/docs/howto/devices/sparkplug.md names",
                broker=self._url.address,
            )
        session = self._session
        if session is None or session.is_born or self._unanswered:
            return
        # tck-id-message-flow-phid-sparkplug-state-publish: once all of them are answered
        self._publish(certificate.birth(session))
        self._session = replace(session, is_born=True)
        self._away = False
        _log.info("Sparkplug host is online", broker=self._url.address, host=self._host_id)
        self._began()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._say_away(code.getName())

    def _on_message(self, _client: Client, _userdata: object, packet: MQTTMessage) -> None:
        try:
            topic = packet.topic
        except UnicodeDecodeError:
            return
        session = self._session
        if session is None or packet.retain:
            # tck-id-payloads-nbirth-retain and others: what a broker retained is none of now. It
            # comes for a subscription, so of the own state it is from before the birth, which
            # takes its place; to answer it would be to publish that birth twice
            return
        if topic == state_topic(self._host_id):
            again = certificate.answer(session, topic, bytes(packet.payload))
            if again is not None:
                self._publish(again)
        else:
            self._heard(topic, bytes(packet.payload))

    def _lost(self) -> None:
        self._say_away("the connection is lost")
        self.release()

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            _log.warning(
                "the broker of Sparkplug is away; waiting for it",
                broker=self._url.address,
                reason=why,
            )
        self._url = self._url.next_server()


def _arguments(message: Certificate) -> tuple[str, bytes, int, bool]:
    return message.topic, message.payload, certificate.QOS, True


def _now_ms() -> int:
    return to_us(datetime.now(UTC)) // 1000
