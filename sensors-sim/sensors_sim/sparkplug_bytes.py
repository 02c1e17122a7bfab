"""Writes Sparkplug B payloads byte by byte, as the specification's section 6.4 lays them out.

Nothing but the encoding of Protocol Buffers: a key is the field's number and a wire type, 0 for a
varint, 1 for eight bytes, 2 for a length and so many bytes, 5 for four.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

#: Types of metrics (section 6.4.16) by name.
DATATYPES: Final[Mapping[str, int]] = {
    "Int8": 1,
    "Int16": 2,
    "Int32": 3,
    "Int64": 4,
    "UInt8": 5,
    "UInt16": 6,
    "UInt32": 7,
    "UInt64": 8,
    "Float": 9,
    "Double": 10,
    "Boolean": 11,
    "String": 12,
    "DateTime": 13,
    "Text": 14,
    "UUID": 15,
    "DataSet": 16,
    "Bytes": 17,
    "File": 18,
    "Template": 19,
}

_BITS: Final = {"Int8": 32, "Int16": 32, "Int32": 32, "Int64": 64}

#: Types whose values stand in ``long_value``; those of other whole numbers in ``int_value``.
_LONG: Final = frozenset({"Int64", "UInt64", "DateTime"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric of a payload; what is None is left out."""

    #: names a type; it is written only ``with_type``
    datatype: str
    value: float | str | bytes | None
    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    with_type: bool = True
    is_historical: bool = False
    is_transient: bool = False
    #: texts, and whole numbers of 32 bits
    properties: Mapping[str, str | int] = field(default_factory=dict)


def payload(
    metrics: Iterable[Metric], *, timestamp_ms: int | None = None, seq: int | None = None
) -> bytes:
    """Return the bytes of a payload."""
    parts = [] if timestamp_ms is None else [_varint_field(1, timestamp_ms)]
    parts += [_bytes_field(2, _metric(metric)) for metric in metrics]
    if seq is not None:
        parts.append(_varint_field(3, seq))
    return b"".join(parts)


def _metric(metric: Metric) -> bytes:
    parts: list[bytes] = []
    if metric.name is not None:
        parts.append(_bytes_field(1, metric.name.encode()))
    for number, value in ((2, metric.alias), (3, metric.timestamp_ms)):
        if value is not None:
            parts.append(_varint_field(number, value))
    if metric.with_type:
        parts.append(_varint_field(4, DATATYPES[metric.datatype]))
    for number, flag in (
        (5, metric.is_historical),
        (6, metric.is_transient),
        (7, metric.value is None),
    ):
        if flag:
            parts.append(_varint_field(number, 1))
    if metric.properties:
        parts.append(_bytes_field(9, _properties(metric.properties)))
    if metric.value is not None:
        parts.append(_value(metric.datatype, metric.value))
    return b"".join(parts)


def _value(datatype: str, value: float | str | bytes) -> bytes:
    if isinstance(value, str):
        return _bytes_field(15, value.encode())
    if isinstance(value, bytes):
        return _bytes_field({"DataSet": 17, "Template": 18}.get(datatype, 16), value)
    if datatype == "Float":
        return _key(12, 5) + struct.pack("<f", value)
    if datatype == "Double":
        return _key(13, 1) + struct.pack("<d", value)
    if datatype == "Boolean":
        return _varint_field(14, int(bool(value)))
    number = int(value) % (1 << _BITS.get(datatype, 64))
    return _varint_field(11 if datatype in _LONG else 10, number)


def _properties(properties: Mapping[str, str | int]) -> bytes:
    keys = [_bytes_field(1, key.encode()) for key in properties]
    values = [
        _varint_field(1, DATATYPES["String"]) + _bytes_field(8, value.encode())
        if isinstance(value, str)
        else _varint_field(1, DATATYPES["Int32"]) + _varint_field(3, value % (1 << 32))
        for value in properties.values()
    ]
    return b"".join([*keys, *(_bytes_field(2, value) for value in values)])


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint_field(number: int, value: int) -> bytes:
    return _key(number, 0) + _varint(value)


def _bytes_field(number: int, content: bytes) -> bytes:
    return _key(number, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
