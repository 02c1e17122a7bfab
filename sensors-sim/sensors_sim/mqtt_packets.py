"""MQTT 3.1.1 control packets as bytes, written from the OASIS standard; no I/O.

Only what a publisher at QoS 0 and 1 sends and what a broker answers it. Section numbers in the
docstrings are those of the standard (mqtt-v3.1.1-os).
"""

from __future__ import annotations

from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"

MAX_REMAINING_LENGTH = 268_435_455
MAX_PACKET_ID = 65_535

#: Table 3.1, return codes of CONNACK.
REFUSALS = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "the broker refuses the client id",
    3: "the broker is unavailable",
    4: "the user name or password is malformed",
    5: "the broker does not authorise this user",
}


class PacketError(ValueError):
    """The bytes are no MQTT 3.1.1 packet."""


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A control packet: its type, the four flag bits and all that follows the fixed header."""

    type: int
    flags: int
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Publish:
    """An application message. ``packet_id`` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    retain: bool
    dup: bool


@dataclass(frozen=True, kw_only=True)
class Will:
    """What the broker publishes, retained and at QoS 1, when the connection ends unannounced."""

    topic: str
    payload: bytes


def remaining_length(length: int) -> bytes:
    """Return section 2.2.3's variable length of 1 to 4 bytes."""
    if not 0 <= length <= MAX_REMAINING_LENGTH:
        raise PacketError(f"a packet of {length} bytes does not fit in MQTT")
    out = bytearray()
    while True:
        length, byte = divmod(length, 128)
        out.append(byte | 0x80 if length else byte)
        if not length:
            return bytes(out)


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    if len(raw) > 0xFFFF:
        raise PacketError(f"a field of {len(raw)} bytes is longer than the 65535 of MQTT")
    return len(raw).to_bytes(2, "big") + raw


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + remaining_length(len(body)) + body


def encode_connect(
    *,
    client_id: str,
    keepalive_s: int,
    will: Will | None = None,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    """Return section 3.1's CONNECT with a clean session."""
    flags = 0x02
    payload = _text(client_id)
    if will is not None:
        flags |= 0x04 | 0x08 | 0x20
        payload += _text(will.topic) + _text(will.payload)
    if username is not None:
        flags |= 0x80
        payload += _text(username)
    if password is not None:
        flags |= 0x40
        payload += _text(password)
    head = _text("MQTT") + bytes((4, flags)) + keepalive_s.to_bytes(2, "big")
    return _packet(CONNECT << 4, head + payload)


def encode_publish(
    *, topic: str, payload: bytes, packet_id: int, retain: bool = False, dup: bool = False
) -> bytes:
    """Return section 3.3's PUBLISH at QoS 1."""
    if not 1 <= packet_id <= MAX_PACKET_ID:
        raise PacketError(f"packet id {packet_id} is not within 1 to 65535")
    first = PUBLISH << 4 | 0x02 | (0x01 if retain else 0) | (0x08 if dup else 0)
    return _packet(first, _text(topic) + packet_id.to_bytes(2, "big") + payload)


def encode_puback(packet_id: int) -> bytes:
    """Return section 3.4's PUBACK."""
    return bytes((PUBACK << 4, 2)) + packet_id.to_bytes(2, "big")


def decode_connack(body: bytes) -> int:
    """Return the return code of a CONNACK; 0 is accepted."""
    if len(body) != 2 or body[0] > 1:
        raise PacketError("a CONNACK has two bytes, the first 0 or 1")
    return body[1]


def decode_puback(body: bytes) -> int:
    """Return the packet id that a PUBACK acknowledges."""
    if len(body) != 2 or body == b"\x00\x00":
        raise PacketError("a PUBACK has a packet id of two bytes and nothing else")
    return int.from_bytes(body, "big")


def decode_publish(packet: Packet) -> Publish:
    """Return the message of a PUBLISH at any QoS."""
    qos = packet.flags >> 1 & 3
    head = 2 + int.from_bytes(packet.body[:2], "big")
    end = head + (2 if qos else 0)
    if qos == 3 or len(packet.body) < max(end, 2):
        raise PacketError("a PUBLISH of QoS 3, or one shorter than its own topic")
    packet_id = int.from_bytes(packet.body[head:end], "big")
    if qos and not packet_id:
        raise PacketError("a PUBLISH above QoS 0 needs a packet id other than 0")
    try:
        topic = packet.body[2:head].decode()
    except UnicodeDecodeError as error:
        raise PacketError("a topic is UTF-8") from error
    return Publish(
        topic=topic,
        payload=packet.body[end:],
        qos=qos,
        packet_id=packet_id,
        retain=bool(packet.flags & 1),
        dup=bool(packet.flags & 8),
    )


class PacketReader:
    """Cuts a stream of bytes into packets, however the network chopped it."""

    def __init__(self, max_packet_bytes: int = MAX_REMAINING_LENGTH) -> None:
        """Refuse a packet whose announced length is above ``max_packet_bytes``."""
        self._buffer = bytearray()
        self._limit = max_packet_bytes

    @property
    def pending(self) -> bool:
        """Whether a packet has begun and is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that are complete with these bytes.

        Raises:
            PacketError: a length field runs over its four bytes or announces too much.

        """
        buffer = self._buffer
        buffer += data
        packets: list[Packet] = []
        start = 0
        while (header := self._header(buffer, start)) is not None:
            body, length = header
            end = body + length
            if len(buffer) < end:
                break
            first = buffer[start]
            packets.append(Packet(type=first >> 4, flags=first & 15, body=bytes(buffer[body:end])))
            start = end
        del buffer[:start]
        return packets

    def _header(self, buffer: bytearray, start: int) -> tuple[int, int] | None:
        length = 0
        for place in range(4):
            at = start + 1 + place
            if at >= len(buffer):
                return None
            length |= (buffer[at] & 0x7F) << (7 * place)
            if not buffer[at] & 0x80:
                if length > self._limit:
                    raise PacketError(f"a packet of {length} bytes is above the limit")
                return at + 1, length
        raise PacketError("a remaining length runs over its four bytes")
