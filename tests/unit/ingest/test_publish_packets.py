"""Reading PUBLISH packets in bulk, held against paho's own reading of the same bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.mqtt.publish_packets import (
    Publish,
    pubacks,
    read_properties,
    take_publishes,
)
from tests.fuzz import packet_targets

QOS_1 = b"\x32\x09\x00\x01t\x01\x02body"
QOS_0 = b"\x30\x05\x00\x01tab"
PINGRESP = b"\xd0\x00"


def taken(
    data: bytes, *, start: int = 0, limit: int = 1000, properties: bool = False
) -> tuple[list[Publish], int]:
    return take_publishes(data, start, limit=limit, properties=properties)


def with_properties(properties: bytes, *, topic: bytes = b"t") -> bytes:
    """A packet of QoS 1 of MQTT 5."""
    body = len(topic).to_bytes(2, "big") + topic + b"\x01\x02"
    return packet(0x32, body + bytes([len(properties)]) + properties + b"body")


def packet(head: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = rest >> 7, rest & 0x7F
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes([head]) + bytes(length) + body


def test_whole_packets_are_taken_up_to_the_first_of_another_kind() -> None:
    one = Publish(b"t", b"body", 0x0102, False, False)
    none = Publish(b"t", b"ab", None, False, False)
    data = QOS_1 + QOS_0 + PINGRESP + QOS_1
    assert taken(data) == ([one, none], len(QOS_1 + QOS_0))
    assert taken(data, start=len(data) - len(QOS_1)) == ([one], len(data))
    assert taken(data, limit=1) == ([one], len(QOS_1))


def test_flags_are_told() -> None:
    (found,), _ = taken(b"\x3b" + QOS_1[1:])
    assert (found.dup, found.retain) == (True, True)


def test_a_packet_that_is_not_whole_is_left() -> None:
    large = packet(0x32, b"\x00\x01t\x00\x07" + bytes(300))
    for whole in (QOS_1, QOS_0, large):
        for size in range(len(whole)):
            assert taken(QOS_0 + whole[:size]) == (taken(QOS_0)[0], len(QOS_0))
        assert taken(whole)[1] == len(whole)


def test_what_is_not_as_it_should_be_is_left_for_the_client() -> None:
    for odd in (
        b"\x34" + QOS_1[1:],  # QoS 2
        b"\x36" + QOS_1[1:],  # no such QoS
        b"\x32\x04\x00\x02tt" + QOS_0,  # no packet id
        b"\x30\x04\x00\x09tt" + QOS_0,  # a topic beyond the packet
        b"\x30\x03\x00\x00t",  # no topic
        b"\x30\x01\x00" + QOS_0,  # shorter than its own head
        b"\x30\x80\x80\x80\x80\x01" + QOS_0,  # a length of five bytes
    ):
        assert taken(odd) == ([], 0)


EVERY_PROPERTY = (
    b"\x01\x01"  # payload format
    b"\x02\x00\x00\x00\x05"  # expiry
    b"\x23\x00\x07"  # topic alias
    b"\x08\x00\x01r"  # response topic
    b"\x09\x00\x02\xff\xfe"  # correlation data
    b"\x0b\x80\x01"  # subscription identifier
    b"\x03\x00\x02aa"  # content type
    b"\x26\x00\x01a\x00\x01b\x26\x00\x01a\x00\x00"  # user properties
)


def test_properties_are_no_part_of_the_payload() -> None:
    whole = Publish(b"t", b"body", 0x0102, False, False)
    for properties, alias, read in (
        (b"", None, b""),
        # nothing of it can be named by a mapping
        (EVERY_PROPERTY[:2], None, b""),
        (EVERY_PROPERTY[2:7], None, EVERY_PROPERTY[2:7]),
        (EVERY_PROPERTY, 7, EVERY_PROPERTY),
    ):
        data = with_properties(properties)
        one = whole._replace(alias=alias, properties=read)
        assert taken(data, properties=True) == ([one], len(data))


def test_what_a_mapping_may_name_is_read_of_properties() -> None:
    assert read_properties(EVERY_PROPERTY) == {
        "message_expiry": 5,
        "response_topic": "r",
        "content_type": "aa",
        "property.a": ["b", ""],
    }
    # what the database cannot hold, and what is no text
    assert read_properties(b"\x26\x00\x01\xff\x00\x02a\x00\x03\x00\x00") == {
        "property.\N{REPLACEMENT CHARACTER}": "a",
        "content_type": "",
    }


def test_properties_longer_than_any_device_needs_are_stepped_over() -> None:
    def packed(size: int) -> Publish:
        user = b"\x26\x00\x01a" + (size - 6).to_bytes(2, "big") + bytes([0x61]) * (size - 6)
        length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
        data = packet(0x30, b"\x00\x01t" + length + user + b"body")
        (found,), _ = taken(data, properties=True)
        return found

    assert len(packed(16 * 1024).properties) == 16 * 1024
    assert packed(16 * 1024 + 1)._replace(topic=b"") == Publish(b"", b"body", None, False, False)


def test_a_topic_may_be_left_to_its_alias() -> None:
    (found,), _ = taken(with_properties(b"\x23\x01\x00", topic=b""), properties=True)
    assert (found.topic, found.alias) == (b"", 256)
    assert taken(with_properties(b"", topic=b""), properties=True) == ([], 0)


def test_properties_that_are_not_as_they_should_be_are_left_for_the_client() -> None:
    for odd in (
        b"\x23\x00\x00",  # no alias is 0
        b"\x23\x00\x01\x23\x00\x01",  # two of them
        b"\x23\x00",  # beyond the properties
        b"\x26\x00\x01a",  # a name without a value
        b"\x03\x00\x09a",  # longer than there is
        b"\x0b\x00",  # no identifier is 0
        b"\x11\x00\x00\x00\x05",  # of another packet
        b"\x7f",  # no such property
    ):
        assert taken(with_properties(odd), properties=True) == ([], 0)
    # properties longer than the packet, and none at all
    assert taken(packet(0x32, b"\x00\x01t\x01\x02\x09"), properties=True) == ([], 0)
    assert taken(packet(0x32, b"\x00\x01t\x01\x02"), properties=True) == ([], 0)


def test_acknowledgements_are_written_one_behind_the_other() -> None:
    assert pubacks([1, 0xABCD]) == b"\x40\x02\x00\x01\x40\x02\xab\xcd"
    assert pubacks([]) == b""


_PIECES = st.one_of(
    st.binary(max_size=12),
    st.just(PINGRESP),
    st.builds(packet, st.integers(0x20, 0x4F), st.binary(max_size=200)),
    st.builds(
        lambda head, topic, rest: packet(head, len(topic).to_bytes(2, "big") + topic + rest),
        st.integers(0x30, 0x3F),
        st.binary(max_size=70),
        st.binary(max_size=200),
    ),
)


@given(pieces=st.lists(_PIECES, max_size=6))
def test_any_bytes_are_read_as_paho_reads_them(pieces: list[bytes]) -> None:
    packet_targets.packets(b"".join(pieces))


_PROPERTIES = st.one_of(
    st.just(EVERY_PROPERTY),
    st.binary(max_size=20),
    st.lists(st.sampled_from([b"\x23\x00\x07", b"\x01\x00", b"\x26\x00\x01a\x00\x00"])).map(
        b"".join
    ),
).map(lambda properties: properties[:127])


@given(properties=_PROPERTIES, topic=st.binary(max_size=3), rest=st.binary(max_size=8))
def test_any_properties_are_read_as_paho_reads_them(
    properties: bytes, topic: bytes, rest: bytes
) -> None:
    packet_targets.packets_5(with_properties(properties, topic=topic) + rest)
