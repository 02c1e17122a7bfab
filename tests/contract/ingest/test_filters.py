"""Filters change, are refused, and outlive the process that asked for them: nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from paho.mqtt.enums import CallbackAPIVersion

from services.core.runtime.mqtt_client import MqttClient
from services.ingest.sources.jetstream.source import JetstreamSource
from services.ingest.sources.mqtt.source import MqttSource
from tests.contract.ingest.brokers import WiredNats
from tests.contract.ingest.conftest import Line, Way, payloads, received
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.broker

WAYS: dict[str, Way] = {
    "nats-mqtt": Way("plain_nats", "mqtt"),
    "nats-jetstream": Way("plain_nats", "nats"),
    "mosquitto-mqtt": Way("wired_mosquitto", "mqtt"),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


class Flow:
    """Publishes without a pause, one message after the other was acknowledged."""

    def __init__(self, port: int, topic: str) -> None:
        self._topic = topic
        self._ended = threading.Event()
        self.sent: list[bytes] = []
        self._client = MqttClient(CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            payload = str(len(self.sent)).encode()
            self._client.publish(self._topic, payload, qos=1).wait_for_publish(PATIENCE_S)
            self.sent.append(payload)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()


@contextmanager
def flow(line: Line, below: str) -> Iterator[Flow]:
    made = Flow(line.broker.port, f"{line.name}/{below}")
    try:
        yield made
    finally:
        made.end()


def test_nothing_is_lost_while_filters_are_exchanged_under_load(line: Line) -> None:
    own = f"{line.name}/flow"
    narrow, wide = frozenset({own}), frozenset({f"{line.name}/+"})
    source = line.source(**({} if line.scheme == "nats" else {"overlap_s": 1.0}))
    source.start(narrow)
    until(lambda: source.connected, "the source is connected")
    heard: set[bytes] = set()

    def hear() -> None:
        batch = source.receive(limit=100, gather_s=0.0, timeout_s=0.05)
        heard.update(payloads(batch))
        source.ack(batch)

    def left(filters: frozenset[str]) -> bool:
        hear()
        return source.connected and (line.scheme == "nats" or filters <= source.left)

    with flow(line, "flow") as stream:
        for _ in range(3):
            for old, new in ((narrow, wide), (wide, narrow)):
                source.subscribe(new, draining=old)
                until(lambda old=old: left(old), "the old filters are left", longest_pause_s=0.0)
    sent = set(stream.sent)

    def complete() -> bool:
        hear()
        return heard >= sent

    until(complete, f"all {len(sent)} arrive", longest_pause_s=0)
    # and the old filter is gone indeed
    line.publish(b"other", below="other")
    line.publish(b"last", below="flow")
    assert set(payloads(received(source, 1))) == {b"last"}


BY_MQTT = pytest.mark.parametrize(
    "way",
    [WAYS["nats-mqtt"], WAYS["mosquitto-mqtt"]],
    ids=["nats-mqtt", "mosquitto-mqtt"],
    indirect=True,
)
"""By NATS' own protocol one consumer has all filters, and says itself what they are."""


@BY_MQTT
def test_old_filters_stay_while_the_reader_does_not_keep_up(line: Line) -> None:
    own = f"{line.name}/a"
    source = line.source(max_waiting=5, overlap_s=0.2)
    source.start(frozenset({own}))
    until(lambda: source.connected, "the source is connected")
    line.publish(*(str(i).encode() for i in range(2000)))
    source.subscribe(frozenset({f"{line.name}/+"}), draining=frozenset({own}))
    heard: set[bytes] = set()
    while len(heard) < 2000:
        # what waits in the broker is its own until it is asked for
        batch = source.receive(limit=100, gather_s=0.0, timeout_s=10.0)
        assert batch, f"{len(heard)} of 2000 arrived"
        heard.update(payloads(batch))
        source.ack(batch)


@BY_MQTT
def test_what_an_earlier_process_had_asked_for_is_left_at_the_start(line: Line) -> None:
    earlier = line.source()
    earlier.start(frozenset(f"{line.name}/old{i}/#" for i in range(3)))
    until(lambda: earlier.connected, "the first source is connected")
    earlier.close()
    line.publish(b"waits", below="old1/x")
    source = line.source()
    # with NATS both would not fit together
    source.start(
        frozenset(f"{line.name}/new{i}/#" for i in range(3)),
        needless=frozenset(f"{line.name}/old{i}/#" for i in range(3)),
    )
    until(lambda: source.connected, "the second source is connected")
    assert source.refused == {}
    line.publish(b"1", below="old1/x")
    line.publish(b"2", below="new2/x")
    messages: list[bytes] = []
    # what waited for the earlier process may come first
    while b"2" not in messages:
        messages += payloads(received(source, 1))
    assert b"1" not in messages


@pytest.mark.parametrize("way", [WAYS["nats-mqtt"]], ids=["nats-mqtt"], indirect=True)
def test_a_filter_beyond_the_allowance_is_said_and_the_others_go_on(line: Line) -> None:
    source = line.source(overlap_s=0.2)
    assert isinstance(source, MqttSource)
    many = frozenset(f"{line.name}/{i}/#" for i in range(4))
    source.start(many)
    until(lambda: source.connected, "every filter is answered")
    (refused,) = source.refused
    assert "max_ack_pending" in source.refused[refused]
    heard = min(many - {refused})
    line.publish(b"goes on", below=f"{heard.split('/')[1]}/x")
    assert payloads(received(source, 1)) == [b"goes on"]
    # mended: another set, without a restart
    source.subscribe(frozenset({refused, heard}))
    until(lambda: source.connected and not source.refused, "it is granted now")
    line.publish(b"mended", below=f"{refused.split('/')[1]}/x")
    assert payloads(received(source, 1)) == [b"mended"]


def test_a_topic_that_the_broker_cannot_carry_silences_no_other(line: Line) -> None:
    spaced, plain = f"{line.name}/My Home/energy", f"{line.name}/b"
    source = line.source()
    source.start(frozenset({spaced, plain}))
    until(lambda: source.connected, "every filter is answered")
    line.publish(b"goes on", below="b")
    assert payloads(received(source, 1)) == [b"goes on"]
    if isinstance(line.broker, WiredNats):
        assert "space" in source.refused[spaced]
    else:
        assert source.refused == {}
        line.publish(b"spaced", below="My Home/energy")
        assert payloads(received(source, 1)) == [b"spaced"]


@pytest.mark.parametrize("way", [WAYS["mosquitto-mqtt"]], ids=["mosquitto-mqtt"], indirect=True)
def test_a_filter_for_which_the_broker_hangs_up_silences_no_other(line: Line) -> None:
    poison = f"{line.name}/a\x01b"
    source = line.source()
    source.start(frozenset({poison, f"{line.name}/z"}))
    until(lambda: source.connected, "every filter is answered")
    assert "ends the connection" in source.refused[poison]
    line.publish(b"goes on", below="z")
    assert payloads(received(source, 1)) == [b"goes on"]


@pytest.mark.parametrize("way", [WAYS["nats-jetstream"]], ids=["nats-jetstream"], indirect=True)
def test_topics_of_any_number_of_beginnings_are_heard_by_nats_own_protocol(line: Line) -> None:
    source = line.source()
    assert isinstance(source, JetstreamSource)
    many = frozenset(f"{line.name}-{i}/+/{'/'.join('+' * (i % 9 + 1))}" for i in range(300))
    source.start(frozenset({f"{line.name}/#", *many}))
    until(lambda: source.connected, "the source is connected")
    line.publish(b"heard")
    assert payloads(received(source, 1)) == [b"heard"]
