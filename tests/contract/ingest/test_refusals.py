"""What a broker refuses for good ends the source with a sentence that says what to do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import nats
import pytest
from nats.js.api import ConsumerConfig, RetentionPolicy, StreamConfig

from services.core.runtime import broker_url
from services.ingest.sources.jetstream.durable import STREAM
from services.ingest.sources.jetstream.source import JetstreamSource
from services.ingest.sources.mqtt.source import MqttSource
from services.ingest.sources.source import MessageSource, SourceError
from tests.contract.ingest.brokers import Certificates, ImpatientNats, WiredNats
from tests.services import Mosquitto, server_directory

pytestmark = pytest.mark.broker


class _Closed(Mosquitto):
    """Lets nobody in."""

    def command(self) -> list[str]:
        words = super().command()
        settings = self.directory / "mosquitto.conf"
        settings.write_text(settings.read_text().replace("anonymous true", "anonymous false"))
        return words


class _Guarded(ImpatientNats):
    """Lets one user in who may publish nothing, and so ask for nothing."""

    def settings(self) -> str:
        users = '{user: "mute", password: "pw", permissions: {publish: {deny: ">"}}}'
        return (
            super()
            .settings()
            .replace("include nats-users.conf", f"authorization {{ users: [{users}] }}")
        )

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "NATS_ANYBODY": '""'}


@pytest.fixture
def closed() -> Iterator[_Closed]:
    with server_directory() as directory:
        server = _Closed(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def guarded() -> Iterator[_Guarded]:
    with server_directory() as directory:
        server = _Guarded(directory)
        server.start()
        yield server
        server.stop()


def complaint(source: MessageSource, *filters: str) -> str:
    """What the source ends with."""
    source.start(frozenset(filters or {"a"}))
    try:
        with pytest.raises(SourceError) as raised:
            source.receive(limit=1, gather_s=0.0, timeout_s=30.0)
    finally:
        source.close()
    return str(raised.value)


def by_mqtt(port: int) -> MqttSource:
    url = broker_url.parse(f"mqtt://127.0.0.1:{port}")
    return MqttSource(url, client_id="refused", max_waiting=10)


def by_nats(port: int, *, user: str = "", tls: ssl.SSLContext | None = None) -> JetstreamSource:
    scheme = "tls" if tls else "nats"
    url = broker_url.parse(f"{scheme}://{user}127.0.0.1:{port}")
    return JetstreamSource(url, durable="refused", max_waiting=10, tls=tls)


def test_a_broker_that_refuses_the_user(closed: _Closed) -> None:
    said = complaint(by_mqtt(closed.port))
    assert "Not authorized" in said
    assert "TONNE_MQTT_URL" in said


def test_nats_refuses_the_password(guarded: _Guarded) -> None:
    said = complaint(by_nats(guarded.client_port, user="mute:wrong@"))
    assert "Authorization Violation" in said
    assert "TONNE_MQTT_URL" in said
    assert "wrong" not in said


def test_nats_does_not_let_the_user_ask(guarded: _Guarded) -> None:
    said = complaint(by_nats(guarded.client_port, user="mute:pw@"))
    assert "permissions violation" in said.lower()
    assert "$js.api" in said.lower()


def test_credentials_do_not_go_to_a_nats_without_tls(
    guarded: _Guarded, certificates: Certificates
) -> None:
    tls = certificates.context("tls://127.0.0.1")
    said = complaint(by_nats(guarded.client_port, user="mute:pw@", tls=tls))
    assert "does not ask for TLS" in said


def test_a_consumer_of_another_kind_stands_in_the_way(plain_nats: WiredNats) -> None:
    plain_nats.start()

    async def occupy() -> None:
        client = await nats.connect(plain_nats.nats_url)
        stream = client.jetstream()
        await stream.add_stream(
            StreamConfig(name=STREAM, subjects=["$MQTT.msgs.>"], retention=RetentionPolicy.INTEREST)
        )
        await stream.add_consumer(
            STREAM, ConsumerConfig(durable_name="refused", deliver_subject="elsewhere")
        )
        await client.close()

    async def vacate() -> None:
        client = await nats.connect(plain_nats.nats_url)
        await client.jetstream().delete_consumer(STREAM, "refused")
        await client.close()

    user = plain_nats.nats_url.removeprefix("nats://").split("127")[0]
    asyncio.run(occupy())
    try:
        assert "TONNE_MQTT_CLIENT_ID" in complaint(by_nats(plain_nats.client_port, user=user))
    finally:
        asyncio.run(vacate())
