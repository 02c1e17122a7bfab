"""One persistent session by MQTT 5 or 3.1.1, driven by its owner's thread.

paho does the protocol, but for PUBLISH and PUBACK where it speaks over a :class:`.BufferedSocket`:
those are read and written in bulk (:mod:`.publish_packets`), which costs a twentieth.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from services.core.facility import beside
from services.core.runtime import metrics
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import Clock
from services.core.runtime.settings import MqttVersion
from services.core.runtime.storable import storable
from services.ingest.sources.mqtt.backlog import Backlog
from services.ingest.sources.mqtt.buffered_client import BufferedClient
from services.ingest.sources.mqtt.buffered_socket import BufferedSocket
from services.ingest.sources.mqtt.packet_token import PacketToken
from services.ingest.sources.mqtt.publish_packets import (
    pubacks,
    read_properties,
    take_publishes,
)
from services.ingest.sources.mqtt.session_watch import SessionWatch
from services.ingest.sources.mqtt.spoken_version import SpokenVersion
from services.ingest.sources.mqtt.subscriptions import MqttSubscriptions
from services.ingest.sources.mqtt.topic_aliases import TopicAliases
from services.ingest.sources.probe import ACCOUNT, Probe
from services.ingest.sources.source import Message, SourceError

_log: Final = structlog.get_logger()

_KEEPALIVE_S: Final = 30

#: Packets read before acks get their turn.
_BURST_PACKETS: Final = 500

#: Well below the least that a broker lets be in flight (NATS: 1024 if nothing is set).
_LITTLE: Final = 500

#: Brokers should refuse such a topic; the message is still somebody's and gets its entry.
_NOT_UTF_8: Final = "emissions/(not UTF-8)"

#: As paho calls them.
_TEXTS: Final = (
    (beside.CONTENT_TYPE, "ContentType"),
    (beside.RESPONSE_TOPIC, "ResponseTopic"),
)

#: Refusals of CONNECT that waiting does not cure.
_NEVER: Final = frozenset(
    {"Client identifier not valid", "Bad user name or password", "Not authorized", "Banned"}
)


class MqttSession:
    """Connects, subscribes, reads and acknowledges; not thread-safe, nothing here waits long."""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        client_id: str,
        tls: ssl.SSLContext | None,
        deliver: Callable[[list[Message]], None],
        lost: Callable[[], object],
        overlap_s: float,
        version: MqttVersion,
        clock: Clock,
    ) -> None:
        """``clock``: the time at which messages arrive."""
        self._url = url
        self._clock = clock
        self._deliver = deliver
        self._lost = lost
        self._client = self._made_client(client_id, tls)
        self._version = SpokenVersion(version)
        self._aliases = TopicAliases()
        #: raised with every connection: acks belong to one
        self._generation = 0
        self._accepted = False
        self.subscriptions = MqttSubscriptions(
            self._client, broker=url.address, overlap_s=overlap_s
        )
        self.watch = SessionWatch()
        self.probe = Probe(self._client, enabled=url.username == ACCOUNT)
        self._burst: list[Message] = []
        self._now = self._clock.now()
        #: when this connection was begun: nothing of it arrived before
        self._begun_at = self._now
        self._backlog = Backlog(connected_at=self._now, session_present=False)
        #: whether the log has said that the broker is away, or that it is there
        self._away = False
        self._announced = False
        self._leaving = False

    def _made_client(self, client_id: str, tls: ssl.SSLContext | None) -> BufferedClient:
        client = BufferedClient.for_broker(
            self._url, client_id=client_id, tls=tls, clean_session=False, manual_ack=True
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_message = self._on_message
        # with this set, paho queues packets instead of writing each at once
        client.on_socket_register_write = _leave_it_to_turn
        return client

    @property
    def open(self) -> bool:
        """Whether there is a connection, be it still without a session."""
        return self._client.socket() is not None

    @property
    def ready(self) -> bool:
        """Whether the broker has accepted the session and answered for every subscription."""
        return self._accepted and self.subscriptions.settled

    def connect(self) -> bool:
        """Try once to connect; False if the broker is away."""
        self._begun_at = self._clock.now()
        self._aliases = TopicAliases()
        self._client.speak(self._version.asked)
        try:
            self._client.connect(
                self._url.host,
                self._url.port,
                keepalive=_KEEPALIVE_S,
                **self._version.options(),
            )
        except (OSError, ValueError) as error:
            # ValueError: a TLS certificate for another host, a name that cannot be one
            self._say_away(str(error))
            return False
        return True

    def ack(self, tokens: Sequence[PacketToken]) -> None:
        """Acknowledge what this connection delivered; older tokens are dropped."""
        if not (tokens and self._accepted):
            return
        ids = [token.packet_id for token in tokens if token.generation == self._generation]
        self._backlog.acked(ids)
        connection = self._client.socket()
        if isinstance(connection, BufferedSocket):
            connection.send(pubacks(ids))
        else:
            for packet_id in ids:
                self._client.ack(packet_id, 1)

    def run_once(self, *, read: bool, wake: socket.socket, timeout_s: float) -> None:
        """Wait for the network or for ``wake``, then read a burst and write what is due."""
        connection = self._client.socket()
        if connection is None:
            return
        buffered = connection if isinstance(connection, BufferedSocket) else None
        if self.subscriptions.draining:
            timeout_s = min(timeout_s, self.subscriptions.look_every_s)
        ahead = read and _pending(connection) > 0
        unsent = self._client.want_write() or (buffered is not None and buffered.unsent)
        readable, _, _ = select.select(
            [wake, connection] if read else [wake],
            [connection] if unsent else [],
            [],
            0 if ahead else timeout_s,
        )
        if ahead or connection in readable:
            self._read_burst(connection)
        if self.subscriptions.draining or self.probe.under_way:
            self._look_closely(connection, read=read)
        elif self.ready:
            self.probe.look(time.monotonic(), idle=True)
        self._write(buffered)
        self._client.loop_misc()

    def _look_closely(self, connection: object, *, read: bool) -> None:
        """See whether this client is up to date, while filters are drained or a probe is out."""
        idle = read and self._backlog.in_hand < _LITTLE and self.open and not _readable(connection)
        if idle:
            self.subscriptions.caught_up()
        self.subscriptions.look()
        if self.ready:
            self.probe.look(time.monotonic(), idle=idle)

    def _read_burst(self, connection: object) -> None:
        buffered = connection if isinstance(connection, BufferedSocket) else None
        self._now = self._clock.now()
        try:
            for _ in range(_BURST_PACKETS):
                if buffered is not None and self._client.between_packets:
                    self._take_publishes(buffered)
                    enough = len(self._burst) >= _BURST_PACKETS
                    if enough or (self._burst and not buffered.pending()):
                        break
                if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
                if not (self.open and _more(connection)):
                    break
        finally:
            if self._burst:
                burst, self._burst = self._backlog.delivered(self._burst), []
                if self.probe.under_way:
                    self.probe.heard(burst)
                self._deliver(burst)

    def _take_publishes(self, buffered: BufferedSocket) -> None:
        data, position = buffered.read_ahead()
        packets, position = take_publishes(
            data, position, limit=_BURST_PACKETS, properties=self._version.is_5
        )
        buffered.take_up_to(position)
        now, generation = self._now, self._generation
        self._burst += [
            Message(
                topic=_text(topic if alias is None else self._aliases.topic(alias, topic)),
                payload=payload,
                received_at=now,
                token=None if packet_id is None else PacketToken(generation, packet_id),
                redelivered=dup,
                retained=retain,
                properties=read_properties(block) if block else None,
            )
            for topic, payload, packet_id, dup, retain, alias, block in packets
        ]

    def _write(self, buffered: BufferedSocket | None) -> None:
        if self._client.want_write():
            self._client.loop_write()
        if buffered is not None and self.open:
            try:
                buffered.flush()
            except OSError:
                # the next read finds the connection lost and says so
                return

    def leave(self) -> None:
        """Disconnect; the broker keeps the session and what it has not seen acknowledged."""
        if self.open:
            self._away = self._leaving = True
            self._client.disconnect()
            self._client.loop_write()
            self._leaving = False

    def release(self) -> None:
        """Close what is still open; the last call of all."""
        self._client.release()

    # -- what paho calls, on the owner's thread -----------------------------------------------

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            if self._version.refused(code, broker=self._url.address):
                return
            if code.getName() in _NEVER:
                raise SourceError(
                    f"the broker at {self._url.address} refuses the session"
                    f" ({_reason(code, properties)}); correct the user, password or rights in"
                    " TONNE_MQTT_URL"
                )
            self._say_away(_reason(code, properties))
            return
        self._generation += 1
        self._accepted = True
        self._version.accepted(properties, broker=self._url.address)
        self._backlog = Backlog(connected_at=self._begun_at, session_present=flags.session_present)
        metrics.ingest_connections.inc()
        if self._generation > 1:
            metrics.ingest_reconnects.inc()
        self.watch.opened(present=flags.session_present)
        self.subscriptions.connected(present=flags.session_present)

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        packet_id: int,
        codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self.subscriptions.answered(packet_id, codes[0])
        if self.ready and not self._announced:
            self._announced = True
            self._away = False
            _log.info("listening at the broker", broker=self._url.address)

    def _on_unsubscribe(
        self,
        _client: Client,
        _userdata: object,
        packet_id: int,
        _codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self.subscriptions.ended(packet_id)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self._accepted and not self._leaving:
            self.watch.ended_by_broker(None if not self._version.is_5 else code.getName())
        elif not self._accepted:
            self._version.not_answered()
        self._accepted = False
        self._announced = False
        self.subscriptions.lost()
        self.probe.lost()
        self._burst.clear()
        self._lost()
        if not self._version.changed:
            self._say_away(_reason(code, properties))

    def _on_message(self, _client: Client, _userdata: object, packet: MQTTMessage) -> None:
        alias = getattr(packet.properties, "TopicAlias", None)
        # as sent: paho's own reading of it raises where it is not UTF-8
        topic = packet._topic  # noqa: SLF001
        self._burst.append(
            Message(
                topic=_text(topic if alias is None else self._aliases.topic(alias, topic)),
                payload=bytes(packet.payload),
                received_at=self._now,
                token=PacketToken(self._generation, packet.mid) if packet.qos else None,
                redelivered=packet.dup,
                retained=packet.retain,
                properties=properties_of(packet.properties),
            )
        )

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            _log.warning("the broker is away; waiting for it", broker=self._url.address, reason=why)
        self._url = self._url.next_server()


def _pending(connection: object) -> int:
    """Bytes that have arrived unseen by ``select``: read ahead, or decrypted already."""
    asked: Callable[[], int] | None = getattr(connection, "pending", None)
    return 0 if asked is None else asked()


def _readable(connection: Any) -> bool:
    """Whether anything waits to be read."""
    return bool(_pending(connection) or select.select([connection], [], [], 0)[0])


def _more(connection: Any) -> bool:
    """Whether another packet can be read without waiting."""
    if _pending(connection):
        return True
    # a WebSocket takes from the network what one packet needs, and leaves the rest there
    return not isinstance(connection, BufferedSocket) and bool(
        select.select([connection], [], [], 0)[0]
    )


def _text(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return _NOT_UTF_8


def properties_of(parsed: Properties | None) -> beside.Properties | None:
    """Return what paho has read beside a payload."""
    properties: dict[str, str | int | list[str]] = {
        name: storable(stated)
        for name, attribute in _TEXTS
        if (stated := getattr(parsed, attribute, None)) is not None
    }
    expiry = getattr(parsed, "MessageExpiryInterval", None)
    if expiry is not None:
        properties[beside.MESSAGE_EXPIRY] = expiry
    for name, value in getattr(parsed, "UserProperty", ()):
        beside.add_user_property(properties, beside.PROPERTY + storable(name), storable(value))
    return properties or None


def _reason(code: ReasonCode, properties: Properties | None) -> str:
    """Return what the broker says, in its own words too where it has any (MQTT 5)."""
    words = getattr(properties, "ReasonString", "")
    return f"{code.getName()}: {words}" if words else str(code.getName())


def _leave_it_to_turn(_client: Client, _userdata: object, _socket: object) -> None:
    """Leave writing to :meth:`MqttSession.run_once`."""
