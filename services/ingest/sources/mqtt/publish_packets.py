"""PUBLISH packets of QoS 0 and 1, read in bulk out of what has arrived. Pure.

They are nearly all that a broker sends, and what a full-blown client does for each of them is most
of what receiving costs. Anything else, a packet that is not whole yet and one that is not as it
should be are left for the client, which knows what to do.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from services.core.facility.beside import (
    CONTENT_TYPE,
    MESSAGE_EXPIRY,
    PROPERTY,
    RESPONSE_TOPIC,
    Properties,
    add_user_property,
)
from services.core.runtime.storable import storable

_PUBLISH: Final = 0x30
_TYPE: Final = 0xF0
_DUP: Final = 0x08
_QOS: Final = 0x06
_QOS_1: Final = 0x02
_RETAIN: Final = 0x01

#: Longer properties are stepped over: no device tells so much beside its payload.
_MOST_BYTES: Final = 16 * 1024

_PUBACK: Final = b"\x40\x02"

#: The length of a packet takes at most so many bytes.
_LENGTH_BYTES: Final = 4

#: Properties by identifier that take a fixed number of bytes; MQTT 5, section 2.2.2.2.
_FIXED: Final = {0x01: 1, 0x02: 4, 0x23: 2}
#: Content type, response topic, correlation data: two bytes of length, then so many.
_COUNTED: Final = frozenset({0x03, 0x08, 0x09})
_EXPIRY: Final = 0x02
_SUBSCRIPTION: Final = 0x0B
_ALIAS: Final = 0x23
_USER: Final = 0x26
_TEXTS: Final = {0x03: CONTENT_TYPE, 0x08: RESPONSE_TOPIC}
#: What a mapping may name.
_READ: Final = frozenset({_EXPIRY, _USER, *_TEXTS})
#: All others stand there once at most.
_REPEATED: Final = frozenset({_SUBSCRIPTION, _USER})


class Publish(NamedTuple):
    """One packet; MQTT 3.1.1 and MQTT 5, section 3.3."""

    #: empty where the alias stands for it
    topic: bytes
    payload: bytes
    #: None at QoS 0
    packet_id: int | None
    dup: bool
    retain: bool
    #: the number that stands for the topic from here on; None: none
    alias: int | None = None
    #: as they were sent, without their length; empty where none of them is one that is read
    properties: bytes = b""


def take_publishes(
    data: bytes, start: int, *, limit: int, properties: bool
) -> tuple[list[Publish], int]:
    """Split off the whole packets in ``data`` from ``start`` on, up to the first of another kind.

    ``properties``: the packets have them, which MQTT 5 brought.

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
        alias, block = None, b""
        if properties:
            # one byte of them at least: their length
            if payload_at >= end:
                break
            if data[payload_at]:
                alias, payload_at, block = _properties(data, payload_at, end)
            else:
                payload_at += 1
        if (topic_end == topic_at and alias is None) or payload_at > end:
            break
        packets.append(
            Publish(
                data[topic_at:topic_end],
                data[payload_at:end],
                data[topic_end] << 8 | data[topic_end + 1] if qos else None,
                head & _DUP != 0,
                head & _RETAIN != 0,
                alias,
                block,
            )
        )
        position = end
    return packets, position


def read_properties(block: bytes) -> Properties:
    """Read what a mapping may name of properties that :func:`take_publishes` gave.

    Texts are made such that the database holds them: what is not UTF-8 is replaced.
    """
    properties: dict[str, str | int | list[str]] = {}
    offset, end = 0, len(block)
    while offset < end:
        name, value_at = block[offset], offset + 1
        offset = _property_end(block, name, value_at, end)
        if name == _USER:
            split = _counted(block, value_at, end)
            key = PROPERTY + _text(block[value_at + 2 : split])
            add_user_property(properties, key, _text(block[split + 2 : offset]))
        elif name == _EXPIRY:
            properties[MESSAGE_EXPIRY] = int.from_bytes(block[value_at:offset], "big")
        elif name in _TEXTS:
            properties[_TEXTS[name]] = _text(block[value_at + 2 : offset])
    return properties


def _text(data: bytes) -> str:
    return storable(data.decode("utf-8", "replace"))


def _properties(data: bytes, start: int, end: int) -> tuple[int | None, int, bytes]:
    """Read the topic's alias among the properties at ``start``, and where the payload begins.

    Beyond ``end`` where they are not as they should be. Beside them their bytes, if any is read.
    """
    beyond = end + 1
    length, offset = _length(data[:end], start)
    payload_at = offset + length
    if payload_at > end or not length:
        return None, beyond, b""
    alias, begin, is_read = None, offset, False
    once: set[int] = set()
    while offset < payload_at:
        name, value_at = data[offset], offset + 1
        offset = _property_end(data, name, value_at, payload_at)
        if name in once or offset > payload_at:
            return None, beyond, b""
        is_read = is_read or name in _READ
        if name not in _REPEATED:
            once.add(name)
        if name == _ALIAS:
            alias = data[value_at] << 8 | data[value_at + 1]
            if not alias:
                return None, beyond, b""
    is_read = is_read and length <= _MOST_BYTES
    return alias, payload_at, data[begin:payload_at] if is_read else b""


def _property_end(data: bytes, name: int, offset: int, end: int) -> int:
    """Return where the value at ``offset`` ends; beyond ``end`` if it is not as it should be."""
    if name in _FIXED:
        return offset + _FIXED[name]
    if name in _COUNTED:
        return _counted(data, offset, end)
    if name == _USER:
        return _counted(data, _counted(data, offset, end), end)
    if name == _SUBSCRIPTION:
        number, after = _length(data[:end], offset)
        return after if number else end + 1
    return end + 1


def _counted(data: bytes, offset: int, end: int) -> int:
    """Return where what has two bytes of length ends; beyond ``end`` if it does not end there."""
    return offset + 2 + (data[offset] << 8 | data[offset + 1]) if offset + 2 <= end else end + 1


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of up to four bytes and where the rest begins; 0 if it is not there."""
    length = 0
    for i, byte in enumerate(data[position : position + _LENGTH_BYTES]):
        length |= (byte & 0x7F) << (7 * i)
        if byte <= 0x7F:
            return length, position + i + 1
    return 0, position


def pubacks(packet_ids: list[int]) -> bytes:
    """Return the acknowledgements of these packets, one behind the other; section 3.4.

    Of a success MQTT 5 needs no more to be said than MQTT 3.1.1.
    """
    return b"".join([_PUBACK + packet_id.to_bytes(2, "big") for packet_id in packet_ids])
