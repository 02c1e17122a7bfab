"""Discovery's session: at each broker it hears everything, beside others, and leaves nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from services.core.runtime import broker_url
from services.ingest.discovery.ear import EarError, Heard, MqttEar
from tests.contract.ingest.traffic import publish
from tests.patience import until
from tests.services import Mosquitto, Nats, Server, server_directory

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module", params=[Nats, Mosquitto])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The broker of the local stack, with its rights, and mosquitto."""
    with server_directory() as directory:
        started: Server = request.param(directory)
        started.start()
        yield started
        started.kill()


def ear(server: Server, *filters: str) -> MqttEar:
    url = broker_url.parse(f"mqtt://127.0.0.1:{server.port}")
    return MqttEar(url, filters=filters, tls=None)


def test_everything_is_heard_and_what_is_retained_says_so(server: Server) -> None:
    publish(server.port, [("hall/retained", b"1")], retain=True)
    listening = ear(server, "#")
    listening.open()
    heard: list[Heard] = []

    def has_heard(topic: str) -> bool:
        heard.extend(listening.listen(0.1))
        return any(message.topic == topic for message in heard)

    until(lambda: has_heard("hall/retained"), "what is retained comes")
    publish(server.port, [("hall/meter", b"5"), ("emissions/linz/m/readings", b"{}")])
    until(lambda: has_heard("emissions/linz/m/readings"), "what is published comes")
    assert {(m.topic, m.payload, m.is_retained) for m in heard} == {
        ("hall/retained", b"1", True),
        ("hall/meter", b"5", False),
        ("emissions/linz/m/readings", b"{}", False),
    }
    listening.close()
    with pytest.raises(EarError, match="closed"):
        listening.listen(0.0)


def test_topics_that_are_never_granted_are_asked_for_anew() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        url = broker_url.parse(f"mqtt://127.0.0.1:{broker.getsockname()[1]}")
        listening = MqttEar(url, filters=["#"], tls=None, granted_within_s=0.2)
        listening.open()
        session, _ = broker.accept()
        with session:
            # it accepts the session, and grants nothing
            session.sendall(b"\x20\x02\x00\x00")
            troubles: list[str] = []

            def gives_up() -> bool:
                try:
                    return bool(listening.listen(0.05))
                except EarError as error:
                    troubles.append(str(error))
                    return True

            until(gives_up, "it gives up")
        assert troubles == ["the broker has not granted the topics within 0.2 s"]


def test_a_broker_that_is_away_is_said(server: Server) -> None:
    del server
    away = MqttEar(broker_url.parse("mqtt://127.0.0.1:1"), filters=["#"], tls=None)
    with pytest.raises(EarError, match="away"):
        away.open()
