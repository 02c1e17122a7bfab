from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pytest

from services.core.runtime import broker_url
from services.core.runtime.settings import MqttVersion
from services.ingest.sources.jetstream.source import JetstreamSource
from services.ingest.sources.mqtt.source import MqttSource
from services.ingest.sources.source import Message
from tests.contract.ingest.brokers import (
    HOLD_S,
    Certificates,
    ImpatientWiredNats,
    PatientNats,
    WiredMosquitto,
    WiredNats,
    forget_durable,
    is_left,
)
from tests.contract.ingest.traffic import Cable, forget_session, publish
from tests.patience import until
from tests.services import server_directory


@dataclass
class Line:
    """A way to a broker, a session name and a piece of the topic tree, of one test alone."""

    broker: WiredNats | WiredMosquitto
    scheme: str
    certificates: Certificates
    version: MqttVersion = "auto"
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")
    sources: list[MqttSource | JetstreamSource] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where sources connect to."""
        broker, scheme = self.broker, self.scheme
        if isinstance(broker, WiredNats):
            ports = {"ws": broker.websocket_port, "wss": broker.websocket_port}
            return ports.get(scheme, broker.client_port if scheme in NATS else broker.port)
        return {
            "mqtt": broker.port,
            "mqtts": broker.tls_port,
            "ws": broker.websocket_port,
            "wss": broker.tls_websocket_port,
        }[scheme]

    @property
    def acks_outlive_connections(self) -> bool:
        """Whether an acknowledgement names its message, and not a packet of one connection."""
        return self.scheme in NATS

    @property
    def patient(self) -> dict[str, Any]:
        """Options of a source to which nothing comes again that was not given back."""
        return {"ack_wait_s": PatientNats.ack_wait_s} if self.scheme in NATS else {}

    @property
    def largest_bytes(self) -> int:
        """What goes through within seconds: mosquitto 2.0 gives a WebSocket 40 kB a second."""
        slow = self.scheme in {"ws", "wss"} and isinstance(self.broker, WiredMosquitto)
        return (64 if slow else 2048) << 10

    def url(self, port: int) -> str:
        """The broker's URL with tonne's account, where NATS' protocol asks for one."""
        if self.scheme in NATS and isinstance(self.broker, WiredNats):
            return self.broker.passwords.ingest_at(self.scheme, port)
        return f"{self.scheme}://127.0.0.1:{port}"

    def tls(self, url: str) -> ssl.SSLContext | None:
        return self.certificates.context(url)

    def source(
        self, *, port: int | None = None, max_waiting: int = 1000, **options: Any
    ) -> MqttSource | JetstreamSource:
        url = self.url(port or self.port)
        options = {"hold_s": HOLD_S, **options, "max_waiting": max_waiting, "tls": self.tls(url)}
        made: MqttSource | JetstreamSource
        if self.scheme in NATS:
            assert isinstance(self.broker, WiredNats)
            options = {"ack_wait_s": self.broker.ack_wait_s, **options}
            made = JetstreamSource(broker_url.parse(url), durable=self.name, **options)
        else:
            options = {"version": self.version, **options}
            made = MqttSource(broker_url.parse(url), client_id=self.name, **options)
        self.sources.append(made)
        return made

    def opened(self, **options: Any) -> MqttSource | JetstreamSource:
        made = self.source(**options)
        made.start(frozenset({f"{self.name}/#"}))
        until(lambda: made.connected, "the source is connected")
        return made

    def visited(self) -> None:
        """Let a session begin that nobody is there for."""
        self.opened().close()
        if isinstance(self.broker, WiredNats) and self.scheme not in NATS:
            scheme = "nats" if self.broker.certificates is None else "tls"
            url = self.broker.passwords.ingest_at(scheme, self.broker.client_port)
            until(lambda: is_left(url, tls=self.tls(url)), "NATS has heard of the end")

    def publish(self, *payloads: bytes, below: str = "a", **options: Any) -> None:
        messages = [(f"{self.name}/{below}", payload) for payload in payloads]
        publish(self.broker.port, messages, tls=self._devices_tls, **options)

    def forget(self) -> None:
        """Let the broker drop what it holds for this line."""
        if self.scheme in NATS:
            url = self.url(self.port)
            forget_durable(url, self.name, tls=self.tls(url))
        else:
            forget_session(self.broker.port, self.name, tls=self._devices_tls)

    @property
    def _devices_tls(self) -> ssl.SSLContext | None:
        """Of the port that devices publish at."""
        secured = isinstance(self.broker, WiredNats) and self.broker.certificates is not None
        return self.certificates.context("mqtts://127.0.0.1") if secured else None


#: Schemes of NATS' own protocol.
NATS = frozenset({"nats", "tls"})


def received(source: MqttSource | JetstreamSource, number: int) -> list[Message]:
    """The next messages, ``number`` of them at least."""
    messages: list[Message] = []

    def enough() -> bool:
        messages.extend(source.receive(limit=1000, gather_s=0.0, timeout_s=0.05))
        return len(messages) >= number

    until(enough, f"{number} messages arrive")
    return messages


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    with server_directory() as directory:
        yield Certificates(directory)


def _running(
    kind: type[WiredNats], certificates: Certificates | None = None
) -> Iterator[WiredNats]:
    with server_directory() as directory:
        server = kind(directory, certificates)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def plain_nats() -> Iterator[WiredNats]:
    yield from _running(WiredNats)


@pytest.fixture(scope="session")
def secured_nats(certificates: Certificates) -> Iterator[WiredNats]:
    yield from _running(WiredNats, certificates)


@pytest.fixture(scope="session")
def impatient_plain_nats() -> Iterator[WiredNats]:
    yield from _running(ImpatientWiredNats)


@pytest.fixture(scope="session")
def impatient_secured_nats(certificates: Certificates) -> Iterator[WiredNats]:
    yield from _running(ImpatientWiredNats, certificates)


@pytest.fixture(scope="session")
def wired_mosquitto(certificates: Certificates) -> Iterator[WiredMosquitto]:
    with server_directory() as directory:
        server = WiredMosquitto(directory, certificates)
        server.start()
        yield server
        server.stop()


class Way(NamedTuple):
    """Which broker, and how it is spoken to."""

    broker: Literal["plain_nats", "secured_nats", "wired_mosquitto"]
    scheme: str
    version: MqttVersion = "auto"


WAYS: dict[str, Way] = {
    "nats-mqtt": Way("plain_nats", "mqtt"),
    "nats-mqtts": Way("secured_nats", "mqtts"),
    "nats-ws": Way("plain_nats", "ws"),
    "nats-wss": Way("secured_nats", "wss"),
    "nats-jetstream": Way("plain_nats", "nats"),
    "nats-jetstream-tls": Way("secured_nats", "tls"),
    "mosquitto-mqtt": Way("wired_mosquitto", "mqtt"),
    "mosquitto-mqtt-3": Way("wired_mosquitto", "mqtt", "3.1.1"),
    "mosquitto-mqtts": Way("wired_mosquitto", "mqtts"),
    "mosquitto-ws": Way("wired_mosquitto", "ws"),
    "mosquitto-wss": Way("wired_mosquitto", "wss"),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    """Each way to each broker in turn."""
    chosen: Way = request.param
    return chosen


@pytest.fixture
def broker(request: pytest.FixtureRequest, way: Way) -> WiredNats | WiredMosquitto:
    """The broker at the end of the way.

    What is not acknowledged comes again in a test that is marked ``redelivery``, and there also
    where a slow machine took longer than a second; in any other everything comes once.
    """
    again = "nats" in way.broker and request.node.get_closest_marker("redelivery") is not None
    server: WiredNats | WiredMosquitto = request.getfixturevalue(
        f"impatient_{way.broker}" if again else way.broker
    )
    server.start()
    return server


@pytest.fixture
def line(
    broker: WiredNats | WiredMosquitto, way: Way, certificates: Certificates
) -> Iterator[Line]:
    made = Line(broker, way.scheme, certificates, way.version)
    yield made
    for source in made.sources:
        source.close()
    broker.start()
    made.forget()


@pytest.fixture
def cable(line: Line) -> Iterator[Cable]:
    made = Cable(line.port)
    yield made
    made.close()
