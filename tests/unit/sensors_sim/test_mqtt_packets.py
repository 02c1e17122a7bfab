from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors_sim.load_messages import FIRST_NUMBER, template
from sensors_sim.mqtt_packets import (
    CONNECT,
    PUBACK,
    Packet,
    PacketError,
    PacketReader,
    Publish,
    Will,
    decode_connack,
    decode_puback,
    decode_publish,
    encode_connect,
    encode_puback,
    encode_publish,
    remaining_length,
)

topics = st.text(max_size=40)
ids = st.integers(1, 65_535)


@given(topics, st.binary(max_size=300), ids, st.booleans(), st.booleans())
def test_a_publish_survives_the_round_trip(
    topic: str, payload: bytes, packet_id: int, retain: bool, dup: bool
) -> None:
    data = encode_publish(topic=topic, payload=payload, packet_id=packet_id, retain=retain, dup=dup)
    (packet,) = PacketReader().feed(data)
    assert decode_publish(packet) == Publish(
        topic=topic, payload=payload, qos=1, packet_id=packet_id, retain=retain, dup=dup
    )


@given(st.lists(ids, min_size=1, max_size=20), st.lists(st.integers(1, 7), min_size=1))
def test_packets_survive_any_chopping(packet_ids: list[int], cuts: list[int]) -> None:
    data = b"".join(encode_puback(i) for i in packet_ids)
    reader = PacketReader()
    packets: list[Packet] = []
    while data:
        size = cuts[len(packets) % len(cuts)]
        packets += reader.feed(data[:size])
        data = data[size:]
    assert [decode_puback(packet.body) for packet in packets] == packet_ids
    assert not reader.pending


@given(st.binary(max_size=400), st.integers(1, 50))
def test_the_parser_raises_nothing_but_its_own_error(data: bytes, size: int) -> None:
    reader = PacketReader(max_packet_bytes=1 << 20)
    try:
        for start in range(0, len(data), size):
            for packet in reader.feed(data[start : start + size]):
                for decode in (decode_connack, decode_puback):
                    try:
                        decode(packet.body)
                    except PacketError:
                        continue
                decode_publish(packet)
    except PacketError:
        pass


@pytest.mark.parametrize(
    ("length", "wire"),
    [
        (0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"),
        (2_097_151, "ffff7f"), (2_097_152, "80808001"), (268_435_455, "ffffff7f"),
    ],
)  # fmt: skip
def test_remaining_length_is_that_of_the_standards_table(length: int, wire: str) -> None:
    assert remaining_length(length).hex() == wire


def test_a_length_beyond_the_standard_is_refused() -> None:
    with pytest.raises(PacketError):
        remaining_length(268_435_456)
    with pytest.raises(PacketError, match="four bytes"):
        PacketReader().feed(b"\x40\xff\xff\xff\xff\x01")
    with pytest.raises(PacketError, match="above the limit"):
        PacketReader(max_packet_bytes=100).feed(b"\x40\xff\x7f")


def test_connect_carries_will_and_credentials_as_the_standard_orders_them() -> None:
    data = encode_connect(
        client_id="c",
        keepalive_s=30,
        will=Will(topic="t", payload=b"offline"),
        username="u",
        password="p",
    )
    (packet,) = PacketReader().feed(data)
    assert packet.type == CONNECT
    assert packet.body == (
        b"\x00\x04MQTT\x04\xee\x00\x1e" b"\x00\x01c" b"\x00\x01t" b"\x00\x07offline"
        b"\x00\x01u" b"\x00\x01p"
    )  # fmt: skip


def test_malformed_answers_are_refused() -> None:
    with pytest.raises(PacketError):
        decode_connack(b"\x02\x00")
    with pytest.raises(PacketError):
        decode_puback(b"\x00\x00")
    with pytest.raises(PacketError):
        decode_publish(Packet(type=3, flags=6, body=b"\x00\x01t\x00\x01"))
    with pytest.raises(PacketError):
        encode_publish(topic="t", payload=b"", packet_id=0)


@given(st.integers(0, 9_999), st.integers(90, 400), ids)
def test_a_load_packet_is_a_publish_of_the_size_asked_for(
    device: int, payload_bytes: int, packet_id: int
) -> None:
    made = template(
        topic="emissions/f/d/readings",
        channels=("import-energy", "import-power"),
        device_number=device,
        payload_bytes=payload_bytes,
    )
    (packet,) = PacketReader().feed(made.packet(packet_id, 1_795_456_800_250, FIRST_NUMBER + 7))
    publish = decode_publish(packet)
    assert (publish.packet_id, publish.qos) == (packet_id, 1)
    assert len(publish.payload) == payload_bytes
    assert b'{"ts":1795456800250,"values":{"import-energy":1000007,"import-power":' in (
        publish.payload
    )


def test_a_puback_is_four_bytes() -> None:
    assert encode_puback(0x1234) == bytes((PUBACK << 4, 2, 0x12, 0x34))
