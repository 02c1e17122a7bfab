"""PUBLISH packets must be read as paho reads them."""

from __future__ import annotations

from paho.mqtt import _packet
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

from services.ingest.sources.mqtt.publish_packets import read_properties, take_publishes
from services.ingest.sources.mqtt.session import properties_of


def packets(data: bytes) -> set[str]:
    """What a broker sends: whatever is taken in bulk, paho takes for the same."""
    return _read_as_paho(data, MQTTProtocolVersion.MQTTv311)


def packets_5(data: bytes) -> set[str]:
    """The same by MQTT 5, with its properties."""
    return _read_as_paho(data, MQTTProtocolVersion.MQTTv5)


def _read_as_paho(data: bytes, version: MQTTProtocolVersion) -> set[str]:
    found, end = take_publishes(
        data, 0, limit=1000, properties=version == MQTTProtocolVersion.MQTTv5
    )
    at = 0
    for each in found:
        head, at = data[at], at + 1
        length = shift = 0
        while data[at] & 0x80:
            length |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
        length, at = length | data[at] << shift, at + 1
        assert shift <= 21
        body, at = data[at : at + length], at + length
        assert len(body) == length
        assert head >> 4 == 3
        try:
            read = _packet.decode_publish(head, body, version)
        except MalformedPacket:
            # texts of properties that are not UTF-8: nobody reads them, so the message counts
            assert version == MQTTProtocolVersion.MQTTv5
            continue
        assert read.qos < 2
        assert each[:6] == (
            read.topic,
            read.payload,
            read.mid if read.qos else None,
            read.dup,
            read.retain,
            getattr(read.properties, "TopicAlias", None),
        )
        assert (read_properties(each.properties) or None) == properties_of(read.properties)
    assert at == end
    return {f"mqtt {version}"} if found else set()
