"""A broker of several servers: a source goes to the next one when one is gone, or says nothing."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from services.core.runtime import broker_url
from services.core.runtime.broker_url import BrokerUrl
from services.ingest.sources.jetstream.source import JetstreamSource
from services.ingest.sources.mqtt.source import MqttSource
from services.ingest.sources.source import MessageSource
from tests.contract.ingest.brokers import HOLD_S, ImpatientNats
from tests.contract.ingest.traffic import publish
from tests.patience import until
from tests.services import free_port, server_directory

pytestmark = pytest.mark.broker

_FILTERS = frozenset({"emissions/#"})
_TOPIC = "emissions/linz/a/readings"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[ImpatientNats]]:
    """Two that know nothing of each other: which one a message came from can be told."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(server_directory()) for _ in range(2))
        made = [ImpatientNats(one)]
        # the same accounts
        shutil.copy(one / "broker-passwords.json", other)
        made.append(ImpatientNats(other))
        for server in made:
            stack.callback(server.kill)
            server.start()
        yield made


def _url(scheme: str, servers: list[ImpatientNats]) -> BrokerUrl:
    """Of a server that is not there, and then of these."""
    hosts = [f"127.0.0.1:{free_port()}"]
    hosts += [f"127.0.0.1:{s.client_port if scheme == 'nats' else s.port}" for s in servers]
    user = servers[0].passwords.ingest_at(scheme, 1).partition("@")[0]
    return broker_url.parse(f"{user}@{','.join(hosts)}")


def _source(scheme: str, url: BrokerUrl) -> MessageSource:
    if scheme == "nats":
        return JetstreamSource(url, durable="several", max_waiting=10, hold_s=HOLD_S)
    return MqttSource(url, client_id="several", max_waiting=10, hold_s=HOLD_S)


def _heard(source: MessageSource, server: ImpatientNats, payload: bytes) -> set[bytes]:
    """Publish at a server until the source hears its device; return what it heard.

    A source may count as connected to the server before, which it does not know to be gone.
    """

    def heard() -> set[bytes]:
        publish(server.port, [(_TOPIC, payload)])
        received = source.receive(limit=1000, gather_s=0.0, timeout_s=0.5)
        # without what the source asks the broker by
        return {message.payload for message in received if message.topic == _TOPIC}

    return set(until(heard, "a message of the device"))


@pytest.mark.parametrize("scheme", ["nats", "mqtt"])
def test_a_source_goes_on_at_the_next_server(scheme: str, servers: list[ImpatientNats]) -> None:
    source = _source(scheme, _url(scheme, servers))
    source.start(_FILTERS)
    try:
        for server in servers:
            payload = str(server.port).encode()
            assert _heard(source, server, payload) == {payload}
            if server is servers[0]:
                server.kill()
    finally:
        source.close()
        servers[0].start()


def test_a_server_that_says_nothing_is_left(servers: list[ImpatientNats]) -> None:
    source = JetstreamSource(_url("nats", servers), durable="silent", max_waiting=10, hold_s=HOLD_S)
    source.start(_FILTERS)
    try:
        until(lambda: source.connected, "the source is connected")
        # alive, and its connections are, as those to one that is cut off from all others
        os.kill(servers[0].pid, signal.SIGSTOP)

        def came() -> bool:
            if source.connected:
                publish(servers[1].port, [(_TOPIC, b"there")])
            return bool(source.receive(limit=1, gather_s=0, timeout_s=0.5))

        until(came, "a message of the other server")
    finally:
        os.kill(servers[0].pid, signal.SIGCONT)
        source.close()
