"""What every MessageSource promises, against each broker that tonne supports."""

from __future__ import annotations

import pytest

from services.ingest.sources.source import Message, SourceError
from tests.contract.ingest.brokers import WiredMosquitto, WiredNats
from tests.contract.ingest.conftest import Line, payloads, received
from tests.contract.ingest.traffic import Cable
from tests.patience import until

pytestmark = pytest.mark.broker


def numbered(number: int) -> list[bytes]:
    return [str(i).encode() for i in range(number)]


def test_messages_arrive_in_order_with_their_topic_and_bytes(line: Line) -> None:
    source = line.opened()
    line.publish(b"one", b"", b"\x00\xff", below="a/b")
    messages = received(source, 3)
    assert payloads(messages) == [b"one", b"", b"\x00\xff"]
    assert {m.topic for m in messages} == {f"{line.name}/a/b"}
    assert not any(m.redelivered or m.retained for m in messages)


@pytest.mark.redelivery
def test_what_was_acknowledged_never_comes_again_and_what_was_not_does(line: Line) -> None:
    first = line.opened()
    line.publish(b"kept", b"done")
    messages = received(first, 2)
    first.ack([m for m in messages if m.payload == b"done"])
    line.publish(b"later")
    received(first, 1)
    first.close()
    again = received(line.opened(), 2)
    assert sorted(payloads(again)) == [b"kept", b"later"]
    assert [m.redelivered for m in again if m.payload == b"kept"] == [True]


@pytest.mark.redelivery
def test_what_is_delivered_again_is_older_than_what_is_delivered_first(line: Line) -> None:
    first = line.opened()
    line.publish(*numbered(5))
    received(first, 5)
    first.close()
    line.publish(*(b"later %d" % each for each in range(5)))
    source = line.opened()
    arrived: dict[bytes, Message] = {}

    def all_came() -> bool:
        for message in source.receive(limit=100, gather_s=0.0, timeout_s=0.05):
            arrived.setdefault(message.payload, message)
        return len(arrived) == 10

    until(all_came, "all of them arrive")
    again = [arrived[payload].arrived_at for payload in numbered(5)]
    # equal where the connection was made twice: then all of them are delivered again
    assert max(again) <= min(m.arrived_at for p, m in arrived.items() if p.startswith(b"later"))
    # where the broker tells when it stored a message, it is known how long that waited
    assert all(m.waited or m.stored_at is not None for m in arrived.values())


def test_what_is_published_while_nobody_is_there_waits(line: Line) -> None:
    line.visited()
    line.publish(*numbered(200))
    assert sorted(payloads(received(line.opened(), 200)), key=int) == numbered(200)


@pytest.mark.redelivery
def test_acks_of_a_former_connection_settle_nothing_else(line: Line, cable: Cable) -> None:
    source = line.opened(port=cable.port)
    line.publish(*numbered(3))
    before = received(source, 3)
    cable.cut()
    again = received(source, 3)
    assert set(payloads(again)) == set(numbered(3))
    # packet ids start over: acknowledging the old ones would settle others by mistake
    source.ack(before[:1])
    source.close()
    settled = before[:1] if line.acks_outlive_connections else []
    left = sorted(set(numbered(3)) - set(payloads(settled)))
    assert sorted(payloads(received(line.opened(), len(left)))) == left


def test_the_connection_comes_back_after_the_broker_was_killed(
    line: Line, broker: WiredNats | WiredMosquitto
) -> None:
    source = line.opened()
    broker.kill()
    until(lambda: not source.connected, "the loss is noticed")
    broker.start()
    until(lambda: source.connected, "the source is connected again")
    line.publish(b"after")
    assert b"after" in payloads(received(source, 1))


def test_a_broker_that_is_not_there_yet_is_waited_for(
    line: Line, broker: WiredNats | WiredMosquitto
) -> None:
    broker.stop()
    source = line.source()
    source.start(frozenset({f"{line.name}/#"}))
    assert source.receive(limit=1, gather_s=0.0, timeout_s=0.2) == []
    assert not source.connected
    broker.start()
    until(lambda: source.connected, "the source is connected")


def test_nothing_is_lost_when_more_arrives_than_may_wait(line: Line) -> None:
    source = line.opened(max_waiting=10, **line.patient)
    line.publish(*numbered(2000))
    # a dictionary keeps the order of first arrivals; on a slow machine some come again
    arrived: dict[bytes, Message] = {}
    while len(arrived) < 2000:
        batch = source.receive(limit=100, gather_s=0.0, timeout_s=30.0)
        assert batch
        source.ack(batch)
        for message in batch:
            arrived.setdefault(message.payload, message)
    assert list(arrived) == numbered(2000)


@pytest.mark.redelivery
def test_a_source_that_nobody_asks_leaves_the_messages_to_the_broker(line: Line) -> None:
    source = line.source(hold_s=0.3, **line.patient)
    source.start(frozenset({f"{line.name}/#"}))
    # asked all the while, because some ways take longer than the hold to connect
    until(
        lambda: source.connected or source.receive(limit=1, gather_s=0.0, timeout_s=0.05),
        "the source is connected",
    )
    line.publish(b"early")
    early = received(source, 1)
    until(lambda: not source.connected, "the session is left")
    line.publish(b"late")
    # the answer of the database came after all: too late for an ack of MQTT
    source.ack(early)
    left = {b"late"} if line.acks_outlive_connections else {b"early", b"late"}
    arrived: set[bytes] = set()

    def all_came() -> bool:
        arrived.update(payloads(source.receive(limit=10, gather_s=0.0, timeout_s=0.05)))
        return arrived >= left

    until(all_came, "what is left arrives")
    assert arrived == left


def test_topics_can_be_added_and_given_up(line: Line) -> None:
    source = line.source()
    wanted = f"{line.name}/wanted"
    source.start(frozenset({wanted}))
    until(lambda: source.connected, "the source is connected")
    source.subscribe(frozenset({wanted, f"{line.name}/more"}))
    until(lambda: source.connected, "the broker has accepted the second topic")
    line.publish(b"1", below="more")
    assert payloads(received(source, 1)) == [b"1"]
    source.subscribe(frozenset({wanted}))
    until(lambda: source.connected, "the broker has taken the second topic off")
    line.publish(b"2", below="more")
    line.publish(b"3", below="wanted")
    assert payloads(received(source, 1)) == [b"3"]


def test_messages_of_quality_0_arrive_and_need_no_ack(line: Line) -> None:
    source = line.opened()
    line.publish(b"quick", qos=0)
    messages = received(source, 1)
    assert payloads(messages) == [b"quick"]
    source.ack(messages)
    line.publish(b"next")
    assert payloads(received(source, 1)) == [b"next"]


def test_a_retained_message_says_that_it_is_one(line: Line) -> None:
    line.publish(b"online", below="status", retain=True)
    messages = received(line.opened(), 1)
    assert [(m.payload, m.retained) for m in messages] == [(b"online", True)]
    line.publish(b"", below="status", retain=True)


def test_a_large_message_arrives_whole(line: Line) -> None:
    source = line.opened()
    large = bytes(range(256)) * (line.largest_bytes // 256)
    line.publish(large)
    assert payloads(received(source, 1)) == [large]


def test_an_unexpected_error_on_the_networks_thread_ends_the_source_loudly(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = line.opened()

    def fail(_messages: object) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(source._session, "_deliver", fail)
    line.publish(b"x")
    with pytest.raises(SourceError, match="ZeroDivisionError: unforeseen"):
        source.receive(limit=1, gather_s=0.0, timeout_s=30.0)
