"""Reading PUBLISH packets in bulk, held against paho's own reading of the same bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources.mqtt.publish_packets import Publish, pubacks, take_publishes
from tests.fuzz.targets import TARGETS

QOS_1 = b"\x32\x09\x00\x01t\x01\x02body"
QOS_0 = b"\x30\x05\x00\x01tab"
PINGRESP = b"\xd0\x00"


def taken(data: bytes, *, start: int = 0, limit: int = 1000) -> tuple[list[Publish], int]:
    return take_publishes(data, start, limit=limit)


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
    TARGETS["packets"](b"".join(pieces))
