"""What is done to ingest's session from outside is noticed, said, and survived."""

from __future__ import annotations

import asyncio

import nats
import pytest

from services.core.runtime import broker_url
from services.ingest.sources import probe
from services.ingest.sources.jetstream.durable import STREAM
from services.ingest.sources.mqtt.source import MqttSource
from tests.contract.ingest.brokers import HOLD_S, WiredNats
from tests.contract.ingest.conftest import Line, Way, payloads, received
from tests.contract.ingest.traffic import forget_session
from tests.patience import until

pytestmark = pytest.mark.broker

WAYS: dict[str, Way] = {
    "nats-mqtt": Way("plain_nats", "mqtt"),
    "mosquitto-mqtt": Way("wired_mosquitto", "mqtt"),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


def test_a_session_that_another_client_cleared_is_said_and_heard_by_again(line: Line) -> None:
    source = line.opened()
    assert isinstance(source, MqttSource)
    assert source.trouble == ""
    forget_session(line.broker.port, line.name)
    until(lambda: source.trouble and source.connected, "it is noticed")
    assert "forgotten" in source.trouble
    line.publish(b"after")
    assert b"after" in payloads(received(source, 1))


def test_a_session_that_was_lost_while_ingest_was_down_is_said(line: Line) -> None:
    line.opened().close()
    forget_session(line.broker.port, line.name)
    source = line.source()
    source.start(frozenset({f"{line.name}/#"}), known=True)
    until(lambda: source.connected, "the source is connected")
    assert "forgotten" in source.trouble


def test_a_session_that_is_new_is_no_trouble(line: Line) -> None:
    assert line.opened().trouble == ""


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_EVERY_S", 0.2)
    monkeypatch.setattr(probe, "_PATIENCE_S", 0.5)


def as_tonne(server: WiredNats, name: str) -> MqttSource:
    url = broker_url.parse(server.passwords.ingest_at("mqtt", server.port))
    return MqttSource(url, client_id=name, max_waiting=1000, hold_s=HOLD_S)


async def _delete(url: str, *, stream: bool) -> None:
    client = await nats.connect(url)
    try:
        jetstream = client.jetstream()
        if stream:
            await jetstream.delete_stream(STREAM)
            return
        for each in await jetstream.consumers_info(STREAM):
            await jetstream.delete_consumer(STREAM, each.name)
    finally:
        await client.close()


@pytest.mark.usefixtures("quick_probes")
@pytest.mark.parametrize("stream", [False, True], ids=["consumers", "stream"])
def test_messages_that_are_acknowledged_and_have_nowhere_to_go_are_noticed(
    plain_nats: WiredNats, stream: bool
) -> None:
    plain_nats.start()
    source = as_tonne(plain_nats, f"nowhere-{stream}")
    try:
        source.start(frozenset({"emissions/#"}))

        def hear() -> None:
            source.ack(source.receive(limit=100, gather_s=0.0, timeout_s=0.05))

        def proven() -> bool:
            hear()
            return source._session.probe._proven

        until(proven, "the message to itself came")
        assert source.silent == ""
        asyncio.run(_delete(plain_nats.nats_url, stream=stream))

        def silent() -> bool:
            hear()
            return bool(source.silent)

        until(silent, "its absence is noticed")
    finally:
        source.close()
        # NATS makes its stream anew when it starts
        plain_nats.stop()
        plain_nats.start()
        forget_session(plain_nats.port, f"nowhere-{stream}")
