"""What the source on NATS' own stream promises beyond every other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.errors import NotFoundError

from services.core.runtime import broker_url
from services.core.runtime.clock import SystemClock
from services.ingest.sources.jetstream.durable import STREAM
from services.ingest.sources.jetstream.retained import Retained
from services.ingest.sources.jetstream.source import JetstreamSource
from services.ingest.sources.source import Message
from tests.contract.ingest.brokers import HOLD_S, ImpatientNats, WiredNats
from tests.contract.ingest.conftest import Line, Way, payloads, received
from tests.contract.ingest.traffic import Cable, publish
from tests.patience import until
from tests.services import server_directory

pytestmark = pytest.mark.broker

BROKERS = Path(__file__).parents[3] / "deploy" / "docs" / "howto" / "brokers.md"


@pytest.fixture(params=[Way("plain_nats", "nats")], ids=["nats-jetstream"])
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


def administer(server: WiredNats | ImpatientNats, method: str, *arguments: str) -> Any:
    """Call JetStream as an administrator does."""

    async def call() -> Any:
        client = await nats.connect(server.nats_url)
        try:
            return await getattr(client.jetstream(), method)(*arguments)
        finally:
            await client.close()

    return asyncio.run(call())


def has_consumer(server: WiredNats | ImpatientNats, durable: str) -> bool:
    """Whether JetStream keeps messages for this durable name now."""
    try:
        administer(server, "consumer_info", STREAM, durable)
    except NotFoundError:
        return False
    return True


def test_the_very_first_device_of_a_new_broker_is_heard() -> None:
    with server_directory() as directory:
        server = ImpatientNats(directory)
        server.start()
        url = broker_url.parse(server.nats_url)
        source = JetstreamSource(url, durable="early", max_waiting=10, hold_s=HOLD_S)
        try:
            source.start(frozenset({"emissions/#"}))
            until(lambda: source.connected, "the source is connected")
            publish(server.port, [("emissions/linz/a/readings", b"first")])
            assert payloads(received(source, 1)) == [b"first"]
        finally:
            source.close()
            server.stop()


def test_sources_of_one_name_share_the_messages(line: Line) -> None:
    one, other = line.opened(**line.patient), line.opened()
    sent = [str(i).encode() for i in range(200)]
    line.publish(*sent)
    shares: list[list[bytes]] = [[], []]

    def all_came() -> bool:
        for share, source in zip(shares, (one, other), strict=True):
            messages = source.receive(limit=1000, gather_s=0.0, timeout_s=0.05)
            source.ack(messages)
            share.extend(payloads(messages))
        return len(shares[0]) + len(shares[1]) >= len(sent)

    until(all_came, "all messages arrive")
    assert sorted(shares[0] + shares[1]) == sorted(sent)
    assert all(shares)


def test_what_a_stopped_source_had_not_handed_over_goes_to_another_at_once(line: Line) -> None:
    first = line.opened(**line.patient)
    line.publish(b"1", b"2", b"3")
    assert isinstance(line.broker, WiredNats)
    broker = line.broker
    until(
        lambda: administer(broker, "consumer_info", STREAM, line.name).num_ack_pending == 3,
        "the messages are under way",
    )
    first.close()
    assert sorted(payloads(received(line.opened(), 3))) == [b"1", b"2", b"3"]


@pytest.mark.redelivery
def test_the_time_of_arrival_is_the_same_at_each_delivery(line: Line) -> None:
    first = line.opened()
    line.publish(b"once")
    (before,) = received(first, 1)
    first.close()
    (again,) = received(line.opened(), 1)
    assert again.redelivered
    assert again.arrived_at == before.arrived_at < before.received_at < again.received_at


def test_what_waits_and_is_retained_comes_first_as_what_waits(line: Line) -> None:
    line.opened().close()
    line.publish(b"online", retain=True)
    # nobody can tell that a message was there before by one that is yet to come
    first = line.opened(**line.patient)
    waiting = received(first, 1)
    assert [(m.payload, m.retained) for m in waiting] == [(b"online", False)]
    assert first.receive(limit=10, gather_s=0.0, timeout_s=0.5) == []
    first.ack(waiting)
    assert [(m.payload, m.retained) for m in received(first, 1)] == [(b"online", True)]


def test_of_what_is_retained_only_that_is_read_which_was_there_when_it_was_asked_for(
    line: Line,
) -> None:
    broker = line.broker
    assert isinstance(broker, WiredNats)
    line.publish(b"1", below="before", retain=True)
    line.publish(b"1", below="replaced", retain=True)

    async def read() -> list[Message]:
        client = await nats.connect(broker.nats_url)
        try:
            present = await Retained.ask(client, frozenset({f"{line.name}.>"}), SystemClock())
            assert present is not None
            await asyncio.to_thread(line.publish, b"2", below="replaced", retain=True)
            await asyncio.to_thread(line.publish, b"2", below="after", retain=True)
            return [message async for some in present.messages() for message in some]
        finally:
            await client.close()

    try:
        assert [m.topic for m in asyncio.run(read())] == [f"{line.name}/before"]
    finally:
        line.opened()


def test_what_one_source_asks_for_another_does_not_take_off(line: Line, cable: Cable) -> None:
    behind = line.source(port=cable.port)
    behind.start(frozenset({f"{line.name}/a"}))
    until(lambda: behind.connected, "the first source is connected")
    ahead = line.source()
    ahead.start(frozenset({f"{line.name}/a", f"{line.name}/b"}))
    until(lambda: ahead.connected, "the second source is connected")
    cable.cut()
    until(
        lambda: cable.connections == 2 and behind.connected, "the first source is connected again"
    )
    ahead.close()
    line.publish(b"new", below="b")
    assert payloads(received(behind, 1)) == [b"new"]


def test_dots_and_empty_levels_of_topics_come_through(line: Line) -> None:
    source = line.opened()
    line.publish(b"odd", below="v1.2//x")
    assert [m.topic for m in received(source, 1)] == [f"{line.name}/v1.2//x"]


def test_a_consumer_that_was_deleted_is_made_again(line: Line) -> None:
    source = line.opened()
    assert isinstance(line.broker, WiredNats)
    broker = line.broker
    administer(broker, "delete_consumer", STREAM, line.name)
    until(lambda: has_consumer(broker, line.name), "the consumer is there again")
    line.publish(b"after")
    assert payloads(received(source, 1)) == [b"after"]


def test_acks_for_an_earlier_stream_settle_nothing_in_the_new_one() -> None:
    with server_directory() as directory:
        server = ImpatientNats(directory)
        server.start()
        url = broker_url.parse(server.nats_url)
        options: dict[str, Any] = {
            "durable": "anew", "max_waiting": 10, "ack_wait_s": 1.0, "hold_s": HOLD_S
        }  # fmt: skip
        source, later = JetstreamSource(url, **options), JetstreamSource(url, **options)
        try:
            source.start(frozenset({"emissions/#"}))
            until(lambda: source.connected, "the source is connected")
            publish(server.port, [("emissions/a", b"old")])
            old = received(source, 1)
            administer(server, "delete_stream", STREAM)
            until(lambda: has_consumer(server, "anew"), "the consumer is there again")
            publish(server.port, [("emissions/a", b"new")])
            assert payloads(received(source, 1)) == [b"new"]
            # of the same number as the new one
            source.ack(old)
            source.close()
            later.start(frozenset({"emissions/#"}))
            assert payloads(received(later, 1)) == [b"new"]
        finally:
            source.close()
            later.close()
            server.stop()


class _Restricted(ImpatientNats):
    """Gives its user for NATS' protocol the rights that the documentation names and no others."""

    @property
    def nats_url(self) -> str:
        """Of who administers it."""
        return f"nats://admin:pw@127.0.0.1:{self.client_port}"

    def settings(self) -> str:
        (text,) = re.findall(r"restricted rights needs to (.+)", BROKERS.read_text())
        publishing, _, subscribing = text.partition("and to subscribe to")
        publish_to = re.findall(r"`(\$[^`]+)`", publishing)
        subscribe_to = re.findall(r"`([^`/]+>)`", subscribing)
        assert len(publish_to) == 9
        assert subscribe_to == ["_INBOX.>", "emissions.>"]
        rights = f"publish: {publish_to}, subscribe: {[*subscribe_to, 'emissions', 'tele.*.*']}"
        users = (
            f"{{user: ingest, password: pw, permissions: {{{rights}}}}},"
            ' {user: "anybody", password: d}, {user: admin, password: pw}'
        ).replace("'", '"')
        return (
            super()
            .settings()
            .replace("include nats-users.conf", f"authorization {{ users: [{users}] }}")
        )


@pytest.fixture
def restricted() -> Iterator[_Restricted]:
    with server_directory() as directory:
        server = _Restricted(directory)
        server.start()
        yield server
        server.stop()


def test_the_rights_that_the_readme_names_are_enough(restricted: _Restricted) -> None:
    url = broker_url.parse(f"nats://ingest:pw@127.0.0.1:{restricted.client_port}")
    source = JetstreamSource(url, durable="restricted", max_waiting=10, hold_s=HOLD_S)
    status = "emissions/linz/a/status"
    try:
        source.start(frozenset({"emissions/#"}))
        until(lambda: source.connected, "the source is connected")
        source.subscribe(frozenset({"emissions/#", "tele/+/+"}))
        until(lambda: source.connected, "it listens to both, so nothing at QoS 0 is lost")
        publish(restricted.port, [(status, b"online")], retain=True)
        publish(restricted.port, [("tele/pow1/SENSOR", b"{}")], qos=0)
        # what is retained may come twice, from before the filters changed and after
        messages: list[Message] = []
        until(
            lambda: (
                messages.extend(received(source, 1))
                or set(payloads(messages)) == {b"online", b"{}"}
            ),
            "both of them arrive",
        )
        source.ack(messages)
        source.close()
        source = JetstreamSource(url, durable="restricted", max_waiting=10, hold_s=HOLD_S)
        source.start(frozenset({"emissions/#"}))
        assert [(m.topic, m.retained) for m in received(source, 1)] == [(status, True)]
        # what only trouble asks for: the consumer and the stream made anew
        for method, names in (
            ("delete_consumer", (STREAM, "restricted")),
            ("delete_stream", (STREAM,)),
        ):
            administer(restricted, method, *names)
            until(lambda: has_consumer(restricted, "restricted"), "the consumer is there again")
            publish(restricted.port, [(status, method.encode())])
            until(
                lambda: method.encode() in payloads(received(source, 1)),  # noqa: B023 - at once
                "it is heard by the new one",
            )
    finally:
        source.close()
    # a right that is missing and not waited for would show here alone
    assert "Violation" not in restricted.log.read_text()
