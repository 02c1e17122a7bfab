from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.core.runtime import broker_url
from services.ingest.mqtt_source import MqttSource
from services.ingest.source import Message
from tests.contract.ingest.traffic import Cable, ImpatientNats, forget_session, publish, until
from tests.services import Mosquitto, Nats, server_directory


@dataclass
class Line:
    """A broker, a session name and a piece of the topic tree that belong to one test alone."""

    port: int
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")
    sources: list[MqttSource] = field(default_factory=list)

    def source(self, *, port: int | None = None, **options: Any) -> MqttSource:
        made = MqttSource(
            broker_url.parse(f"mqtt://127.0.0.1:{port or self.port}"),
            client_id=self.name,
            **{"most_waiting": 1000, **options},
        )
        self.sources.append(made)
        return made

    def opened(self, **options: Any) -> MqttSource:
        made = self.source(**options)
        made.start(frozenset({f"{self.name}/#"}))
        until(lambda: made.connected, "the source is connected")
        return made

    def publish(self, *payloads: bytes, below: str = "a", **options: Any) -> None:
        publish(self.port, [(f"{self.name}/{below}", p) for p in payloads], **options)


def received(source: MqttSource, number: int) -> list[Message]:
    """The next messages, ``number`` of them at least."""
    messages: list[Message] = []

    def enough() -> bool:
        messages.extend(source.receive(most=1000, gather_s=0.0, timeout_s=0.05))
        return len(messages) >= number

    until(enough, f"{number} messages arrive")
    return messages


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


@pytest.fixture(scope="session")
def impatient_nats() -> Iterator[Nats]:
    with server_directory() as directory:
        server = ImpatientNats(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture(params=["impatient_nats", "mosquitto"], ids=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest) -> Nats | Mosquitto:
    """Each broker in turn."""
    server: Nats | Mosquitto = request.getfixturevalue(request.param)
    server.start()
    return server


@pytest.fixture
def line(broker: Nats | Mosquitto) -> Iterator[Line]:
    made = Line(broker.port)
    yield made
    for source in made.sources:
        source.close()
    broker.start()
    forget_session(broker.port, made.name)


@pytest.fixture
def cable(broker: Nats | Mosquitto) -> Iterator[Cable]:
    made = Cable(broker.port)
    yield made
    made.close()
