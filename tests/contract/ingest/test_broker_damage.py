"""What NATS loses of what it holds for ingest is noticed, said and set right, by either source."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from services.core.runtime import broker_url
from services.ingest.sources.jetstream import session
from services.ingest.sources.jetstream.source import JetstreamSource
from services.ingest.sources.mqtt.source import MqttSource
from services.ingest.sources.nats_side import side
from services.ingest.sources.nats_side.side import NatsSide
from tests.contract.ingest.broker_damage import (
    corrupt_block,
    delete_consumers,
    divert_consumers,
    keep_stream,
)
from tests.contract.ingest.brokers import HOLD_S, ImpatientNats
from tests.contract.ingest.conftest import payloads, received
from tests.contract.ingest.traffic import publish
from tests.patience import until
from tests.services import Nats, server_directory

pytestmark = pytest.mark.broker

TOPIC = "emissions/linz/a/readings"


@pytest.fixture
def server() -> Iterator[ImpatientNats]:
    """One of the test's own: it is damaged."""
    with server_directory() as directory:
        made = ImpatientNats(directory)
        made.start()
        yield made
        made.stop()


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_WATCH_S", 0.2)
    monkeypatch.setattr(side, "_EVERY_S", 0.2)


def _by_mqtt(server: Nats) -> MqttSource:
    made = NatsSide(broker_url.parse(server.nats_url), client_id="ours", tls=None)
    url = broker_url.parse(server.url)
    return MqttSource(url, client_id="ours", max_waiting=1000, hold_s=HOLD_S, side=made)


def _by_nats(server: Nats) -> JetstreamSource:
    url = broker_url.parse(server.nats_url)
    return JetstreamSource(url, durable="ours", max_waiting=1000, hold_s=HOLD_S)


@pytest.fixture(params=[_by_mqtt, _by_nats], ids=["mqtt", "jetstream"])
def source(
    request: pytest.FixtureRequest, server: ImpatientNats
) -> Iterator[MqttSource | JetstreamSource]:
    made: MqttSource | JetstreamSource = request.param(server)
    made.start(frozenset({"emissions/#"}))
    until(lambda: made.connected, "the source is connected")
    yield made
    made.close()


def send(server: Nats, *texts: str) -> None:
    publish(server.port, [(TOPIC, text.encode()) for text in texts])


def take(source: MqttSource | JetstreamSource, *texts: str) -> None:
    """Take messages until these have come, and acknowledge them."""
    missing = {text.encode() for text in texts}

    def all_came() -> bool:
        messages = received(source, 1)
        source.ack(messages)
        missing.difference_update(payloads(messages))
        return not missing

    until(all_came, f"all of {texts} come")


@pytest.mark.parametrize(
    ("strike", "word"),
    [(delete_consumers, "deleted"), (divert_consumers, "changed where NATS delivers")],
    ids=["deleted", "diverted"],
)
def test_a_consumer_that_is_gone_or_delivers_elsewhere_is_set_right_and_loses_nothing(
    server: ImpatientNats,
    source: MqttSource | JetstreamSource,
    strike: Callable[[Nats], None],
    word: str,
) -> None:
    keep_stream(server)
    send(server, "before")
    take(source, "before")
    assert source.damage == ""
    strike(server)
    # NATS acknowledges it, and the stream has it
    send(server, "meanwhile")
    take(source, "meanwhile")
    until(lambda: word in source.damage, "it is said")
    send(server, "after")
    take(source, "after")


def test_acknowledged_messages_that_a_damaged_file_lost_are_said(
    server: ImpatientNats, source: MqttSource | JetstreamSource
) -> None:
    keep_stream(server)
    sent = [f"message {n:03}" for n in range(20)]
    send(server, *sent)
    take(source, *sent)
    until(lambda: _has_seen(source, 20), "the end of the stream was looked at")
    server.kill()
    corrupt_block(server, b"message 010")
    server.start()
    until(lambda: "went back" in source.damage, "the loss is said")
    assert "from message 20 to 10" in source.damage
    # the numbers of what was lost are used again
    later = [f"later {n:03}" for n in range(30)]
    send(server, *later)
    take(source, *later)


def _has_seen(source: MqttSource | JetstreamSource, sequence: int) -> bool:
    if isinstance(source, MqttSource):
        present = source._side
        assert isinstance(present, NatsSide)
        return present._end._last >= sequence
    return source._session.memory.end._last >= sequence
