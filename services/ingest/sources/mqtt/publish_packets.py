"""MQTT 3.1.1 PUBLISH packets of QoS 0 and 1, read in bulk out of what has arrived. Pure.

They are nearly all that a broker sends, and what a full-blown client does for each of them is most
of what receiving costs. Anything else, a packet that is not whole yet and one that is not as it
should be are left for the client, which knows what to do.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_PUBLISH: Final = 0x30
_TYPE: Final = 0xF0
_DUP: Final = 0x08
_QOS: Final = 0x06
_QOS_1: Final = 0x02
_RETAIN: Final = 0x01

_PUBACK: Final = b"\x40\x02"

#: The length of a packet takes at most so many bytes.
_LENGTH_BYTES: Final = 4


class Publish(NamedTuple):
    """One packet; MQTT 3.1.1, section 3.3."""

    topic: bytes
    payload: bytes
    #: None at QoS 0
    packet_id: int | None
    dup: bool
    retain: bool


def take_publishes(data: bytes, start: int, *, limit: int) -> tuple[list[Publish], int]:
    """Split off the whole packets in ``data`` from ``start`` on, up to the first of another kind.

    Returns at most ``limit`` of them, and where the next packet begins; never raises.
    """
    packets: list[Publish] = []
    position, size = start, len(data)
    while len(packets) < limit and size - position > 2:
        head, length, body = data[position], data[position + 1], position + 2
        if length > 0x7F:
            length, body = _length(data, position + 1)
        end = body + length
        qos = head & _QOS
        if head & _TYPE != _PUBLISH or qos > _QOS_1 or not 2 < length <= size - body:
            break
        topic_at = body + 2
        topic_end = topic_at + (data[body] << 8 | data[body + 1])
        # the two bytes of a packet id
        payload_at = topic_end + 2 if qos else topic_end
        if topic_end == topic_at or payload_at > end:
            break
        packets.append(
            Publish(
                data[topic_at:topic_end],
                data[payload_at:end],
                data[topic_end] << 8 | data[topic_end + 1] if qos else None,
                head & _DUP != 0,
                head & _RETAIN != 0,
            )
        )
        position = end
    return packets, position


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Read a packet's remaining length and where the rest begins; 0 if it is not there."""
    length = 0
    for i, byte in enumerate(data[position : position + _LENGTH_BYTES]):
        length |= (byte & 0x7F) << (7 * i)
        if byte <= 0x7F:
            return length, position + i + 1
    return 0, position


def pubacks(packet_ids: list[int]) -> bytes:
    """Return the acknowledgements of these packets, one behind the other; section 3.4."""
    return b"".join([_PUBACK + packet_id.to_bytes(2, "big") for packet_id in packet_ids])
