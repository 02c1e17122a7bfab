"""What MQTT 5 brings between ingest and a broker that speaks it, and what stays as with 3.1.1."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties

from services.core.runtime import broker_url
from services.core.runtime.mqtt_client import MqttClient
from services.ingest.sources.mqtt.publish_packets import pubacks
from services.ingest.sources.mqtt.source import MqttSource
from services.ingest.sources.source import SourceError
from tests.contract.ingest.brokers import HOLD_S, WiredNats
from tests.contract.ingest.conftest import Line, Way, payloads, received
from tests.contract.ingest.traffic import Cable, publishing
from tests.patience import PATIENCE_S, until
from tests.services import Mosquitto, server_directory

pytestmark = pytest.mark.broker


@pytest.fixture
def way() -> Way:
    return Way("wired_mosquitto", "mqtt", "5")


class Device:
    """One that speaks MQTT 5."""

    def __init__(self, port: int, client_id: str = "") -> None:
        self._client = MqttClient(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(self._client.is_connected, "the device is connected")

    def publish(self, topic: str, payload: bytes, properties: Properties) -> None:
        sent = self._client.publish(topic, payload, qos=1, properties=properties)
        sent.wait_for_publish(PATIENCE_S)
        assert sent.is_published()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()


#: By TCP packets are read in bulk, by WebSocket paho reads them.
BOTH_WAYS = pytest.mark.parametrize(
    "way",
    [Way("wired_mosquitto", "mqtt", "5"), Way("wired_mosquitto", "ws", "5")],
    ids=["tcp", "websocket"],
)


@BOTH_WAYS
def test_what_devices_say_beside_the_payload_changes_neither_topic_nor_payload(line: Line) -> None:
    source = line.opened()
    topic = f"{line.name}/a"
    sender = Device(line.broker.port)
    with contextlib.closing(sender):
        sender.publish(
            topic,
            b"first",
            publishing(
                TopicAlias=1,
                MessageExpiryInterval=3600,
                ContentType="application/json",
                ResponseTopic="answers",
                CorrelationData=b"\xff\x00",
                PayloadFormatIndicator=1,
                UserProperty=[("serial", "17"), ("serial", "18"), ("empty", "")],
            ),
        )
        # the topic is left to its alias
        sender.publish("", b"second", publishing(TopicAlias=1))
    messages = received(source, 2)
    assert [(m.topic, m.payload) for m in messages] == [(topic, b"first"), (topic, b"second")]
    first, second = messages
    assert first.properties is not None
    # mosquitto counts down while a message waits with it
    assert 3590 <= int(first.properties["message_expiry"]) <= 3600  # type: ignore[arg-type]
    assert {k: v for k, v in first.properties.items() if k != "message_expiry"} == {
        "content_type": "application/json",
        "response_topic": "answers",
        "property.serial": ["17", "18"],
        "property.empty": "",
    }
    assert second.properties is None


def test_by_3_1_1_nothing_stands_beside_a_payload(line: Line) -> None:
    source = line.opened(version="3.1.1")
    sender = Device(line.broker.port)
    with contextlib.closing(sender):
        sender.publish(f"{line.name}/a", b"first", publishing(ContentType="text/csv"))
    (message,) = received(source, 1)
    assert (message.payload, message.properties) == (b"first", None)


def test_what_expires_while_ingest_is_away_is_the_senders_to_lose(line: Line) -> None:
    line.opened().close()
    sender = Device(line.broker.port)
    with contextlib.closing(sender):
        sent_at = time.monotonic()
        sender.publish(f"{line.name}/a", b"short", publishing(MessageExpiryInterval=1))
        sender.publish(f"{line.name}/a", b"long", publishing(MessageExpiryInterval=3600))
        sender.publish(f"{line.name}/a", b"for good", publishing())
    # mosquitto counts in whole seconds
    until(lambda: time.monotonic() - sent_at > 2.5, "the first has expired")
    assert payloads(received(line.opened(), 2)) == [b"long", b"for good"]


def test_a_session_goes_on_when_the_version_changes(line: Line) -> None:
    for version in ("3.1.1", "5", "3.1.1", "auto"):
        source = line.opened(version=version)
        assert source.trouble == ""
        source.close()
        line.publish(version.encode())
    assert payloads(received(line.opened(version="5"), 4)) == [b"3.1.1", b"5", b"3.1.1", b"auto"]


class _Narrow(Mosquitto):
    """As installed: no more than 20 messages on their way to a client that asks for no more."""

    def command(self) -> list[str]:
        words = super().command()
        settings = self.directory / "mosquitto.conf"
        lines = settings.read_text().splitlines()
        kept = [line for line in lines if not line.startswith("max_inflight_messages")]
        assert len(kept) == len(lines) - 1
        settings.write_text("\n".join(kept) + "\n")
        return words


@pytest.fixture
def narrow() -> Iterator[_Narrow]:
    with server_directory() as directory:
        server = _Narrow(directory)
        server.start()
        yield server
        server.stop()


def test_a_whole_batch_comes_of_a_broker_with_a_narrow_window(narrow: _Narrow) -> None:
    source = MqttSource(
        broker_url.parse(narrow.url), client_id="wide", max_waiting=1000, hold_s=HOLD_S
    )
    with contextlib.closing(source):
        source.start(frozenset({"a"}))
        until(lambda: source.connected, "the source is connected")
        sender = Device(narrow.port)
        with contextlib.closing(sender):
            for i in range(50):
                sender.publish("a", str(i).encode(), publishing())
        # none of them is acknowledged
        assert payloads(received(source, 50)) == [str(i).encode() for i in range(50)]


def test_only_another_client_counts_as_one(line: Line, cable: Cable) -> None:
    source = line.opened(port=cable.port)
    for _ in range(4):
        connections = cable.connections
        cable.cut()
        until(lambda: cable.connections > connections and source.connected, "it is back")  # noqa: B023
    assert source.trouble == ""
    for _ in range(3):
        other = Device(line.broker.port, line.name)
        until(lambda: not source.connected or source.trouble, "the session is taken")
        other.close()
        until(lambda: source.connected, "ingest has it again")
    assert "another client" in source.trouble


def test_a_broker_that_does_not_speak_it_is_spoken_to_by_3_or_named(
    plain_nats: WiredNats,
) -> None:
    plain_nats.start()
    url = broker_url.parse(plain_nats.passwords.ingest_at("mqtt", plain_nats.port))
    with contextlib.closing(
        MqttSource(url, client_id="fixed", max_waiting=10, version="5", hold_s=HOLD_S)
    ) as five:
        five.start(frozenset({"emissions/#"}))
        with pytest.raises(SourceError, match="does not speak MQTT 5; set TONNE_MQTT_VERSION"):
            five.receive(limit=1, gather_s=0.0, timeout_s=PATIENCE_S)


class _ScriptedBroker:
    """Speaks as much of MQTT 5 as a subscriber needs, and then what it was given.

    No broker that is at hand uses topic aliases towards its subscribers.
    """

    def __init__(self, *sent: bytes, granted: int = 1) -> None:
        self._sent = sent
        self._granted = granted
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = bytearray()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                self._packet(connection)
                connection.sendall(b"\x20\x03\x00\x00\x00")
                identifier = self._packet(connection)[:2]
                connection.sendall(b"\x90\x04" + identifier + bytes([0, self._granted]))
                for piece in self._sent:
                    connection.sendall(piece)
                while heard := connection.recv(4096):
                    self.heard += heard

    @staticmethod
    def _packet(connection: socket.socket) -> bytes:
        """What follows the length of one packet of fewer than 128 bytes."""
        _, length = connection.recv(2, socket.MSG_WAITALL)
        return connection.recv(length, socket.MSG_WAITALL)


def test_the_broker_may_leave_topics_to_aliases() -> None:
    named = b"\x32\x0c\x00\x01t\x00\x01\x03\x23\x00\x05one"
    left = b"\x32\x0b\x00\x00\x00\x02\x03\x23\x00\x05two"
    # more than is read ahead, so that paho reads it
    large = bytes(300_000)
    head = b"\x00\x00\x00\x03\x03\x23\x00\x05"
    length = len(head) + len(large)
    digits = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14])
    unknown = b"\x32\x0b\x00\x00\x00\x04\x03\x23\x00\x06six"
    again = b"\x32\x0c\x00\x01u\x00\x05\x03\x23\x00\x05new"
    broker = _ScriptedBroker(
        named + left[:5], left[5:], b"\x32" + digits + head + large, unknown + again + left
    )
    source = MqttSource(
        broker_url.parse(f"mqtt://127.0.0.1:{broker.port}"),
        client_id="s",
        max_waiting=10,
        hold_s=HOLD_S,
    )
    try:
        source.start(frozenset({"#"}))
        messages = received(source, 6)
        assert [(m.topic, m.payload) for m in messages] == [
            ("t", b"one"),
            ("t", b"two"),
            ("t", large),
            ("emissions/(unknown topic alias)", b"six"),
            ("u", b"new"),
            ("u", b"two"),
        ]
        source.ack(messages[:2])
        until(lambda: pubacks([1, 2]) in broker.heard, "they are acknowledged")
    finally:
        source.close()
        broker.close()


def test_a_subscription_that_is_refused_says_what_the_broker_says() -> None:
    broker = _ScriptedBroker(granted=0xA2)
    source = MqttSource(
        broker_url.parse(f"mqtt://127.0.0.1:{broker.port}"),
        client_id="s",
        max_waiting=10,
        hold_s=HOLD_S,
    )
    try:
        source.start(frozenset({"shop/#"}))
        until(lambda: source.refused, "the filter is refused")
        assert "(Wildcard subscription not supported)" in source.refused["shop/#"]
    finally:
        source.close()
        broker.close()
