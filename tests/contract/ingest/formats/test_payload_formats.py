"""Payloads that are no JSON, mapped as if they were: CBOR, MessagePack, line protocol, gzip."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import cbor2
import msgspec
import pytest

from tests.contract.ingest.formats.station import Reading, Station, station_of

EIGHT = datetime(2026, 6, 1, 8, tzinfo=UTC)
EIGHT_S = int(EIGHT.timestamp())


def station(
    wire_format: str, *channels: str, keys: str = "timestamp: {from: t}", kind: str = "counter"
) -> Station:
    listed = "".join(
        f"\n      - {{id: c{i}, {each}, quantity: energy, unit: kWh, kind: {kind}}}"
        for i, each in enumerate(channels)
    )
    return station_of(f"""
facility: {{id: field, name: Field, timezone: UTC}}
devices:
  - id: d
    topic: d
    format: {wire_format}
    {keys}
    channels:{listed}
""")


def values(station: Station, payload: bytes) -> list[float | None]:
    return [reading.value for reading in station.receive("d", payload)]


def reason(station: Station, payload: bytes) -> str:
    assert station.receive("d", payload) == []
    assert len(station.quarantine) == 1
    entry = station.quarantine.pop()
    return f"{entry.reason}: {entry.detail}"


# -- CBOR and MessagePack -------------------------------------------------------------------------

DOCUMENT = {"t": EIGHT_S, "m": [{"v": 17.5}, {"v": 2**70}], 3: -4, "text": "5.25", "none": None}
PATHS = ("from: 'm[0].v'", "from: 'm[1].v'", "from: '\"3\"'", "from: text", "from: none")


def test_cbor_is_mapped_as_json_is() -> None:
    meter = station("cbor", *PATHS)
    taken = meter.receive("d", cbor2.dumps(cbor2.CBORTag(55799, DOCUMENT)))
    assert [reading.ts for reading in taken] == [EIGHT] * 5
    assert [reading.value for reading in taken] == [17.5, float(2**70), -4, 5.25, None]
    sent = cbor2.dumps({"t": cbor2.CBORTag(1, EIGHT_S), "m": [{"v": Decimal("7.25")}]})
    assert values(meter, sent) == [7.25]
    sent = cbor2.dumps({"t": cbor2.CBORTag(0, "2026-06-01T08:00:00Z"), "text": "3"})
    assert meter.receive("d", sent) == [Reading("d.c3", EIGHT, 3)]
    assert meter.quarantine == []


def test_message_pack_is_mapped_as_json_is() -> None:
    meter = station("msgpack", *PATHS)
    document = {**DOCUMENT, "m": [{"v": 17.5}, {"v": 2**60}]}
    assert values(meter, msgspec.msgpack.encode(document)) == [17.5, float(2**60), -4, 5.25, None]
    sent = msgspec.msgpack.encode({"t": EIGHT, "text": "3"})
    assert meter.receive("d", sent) == [Reading("d.c3", EIGHT, 3)]
    assert meter.quarantine == []


@pytest.mark.parametrize(
    ("wire_format", "payload", "words"),
    [
        ("cbor", b'{"t": 1}', "malformed_payload: the payload is not CBOR"),
        ("cbor", b"", None),
        ("cbor", b"\xa1\x61t", "the payload is not CBOR"),
        ("cbor", cbor2.dumps({"t": 1}) + b"\0", "more bytes follow"),
        ("cbor", b"\xa2\x61t\x01\x61t\x02", "the payload is not CBOR"),
        ("cbor", b"\xa2\x01\x01\x611\x02", "a key as a number and as text"),
        ("cbor", cbor2.dumps(cbor2.CBORTag(35, "(a+)+b")), "semantic tag 35"),
        ("cbor", b"\xd8\x1c\x81\xd8\x1d\x00", "semantic tag 2"),
        ("cbor", b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "the payload is not CBOR"),
        ("cbor", b"\xa1\xf5\x01", "a key is true, neither text nor an integer"),
        ("cbor", b"\x81" * 150 + b"\x01", "the payload is not CBOR"),
        ("msgpack", b"\xc1", "malformed_payload: the payload is not MessagePack"),
        ("msgpack", b"\x01\x01", "the payload is not MessagePack"),
        ("msgpack", b"\xc7\x01\x05\x00", "an extension of type 5"),
        ("msgpack", b"\x91" * 150 + b"\x01", "nested too deeply"),
        ("msgpack", b"\xdd\x7f\xff\xff\xff", "the payload is not MessagePack"),
        ("msgpack", b"\x05", "not_a_reading: the payload is 5"),
    ],
)
def test_what_is_none_is_refused(wire_format: str, payload: bytes, words: str | None) -> None:
    meter = station(wire_format, "from: v")
    if words is None:
        assert meter.receive("d", payload) == []
        assert meter.quarantine == []
    else:
        assert words in reason(meter, payload)


@pytest.mark.parametrize("wire_format", ["cbor", "msgpack"])
def test_a_byte_string_is_no_number(wire_format: str) -> None:
    encode: Any = cbor2.dumps if wire_format == "cbor" else msgspec.msgpack.encode
    said = reason(station(wire_format, "from: v"), encode({"t": EIGHT_S, "v": b"17"}))
    assert said.startswith("bad_value: c0: a byte string is not a number")


# -- line protocol --------------------------------------------------------------------------------


def test_lines_are_records_with_their_own_times() -> None:
    meter = station(
        "line-protocol",
        "from: fields.energy, where: {measurement: meter, tags.id: hall 1}",
        "from: fields.energy, where: {tags.id: 'a,b=c'}",
        keys="",
    )
    lines = (
        "# from telegraf\n"
        f'meter,id=hall\\ 1,site=x energy=18234.5,note="a \\"b\\", c=1" {EIGHT_S}000000000\n'
        f"meter,id=a\\,b\\=c energy=12i,ok=t {EIGHT_S}123456700\r\n"
        "other,id=hall\\ 1 energy=1\n\n"
    )
    taken = meter.receive("d", lines.encode())
    assert taken == [
        Reading("d.c0", EIGHT, 18234.5),
        Reading("d.c1", EIGHT.replace(microsecond=123457), 12),
    ]
    assert meter.quarantine == []


def test_lines_may_have_times_in_seconds() -> None:
    keys = "timestamp: {from: time, unit: s}"
    meter = station("line-protocol", "from: fields.v, length: 1h, stamp: end", keys=keys,
                    kind="interval")  # fmt: skip
    assert meter.receive("d", f"m v=1e-3 {EIGHT_S}".encode()) == [Reading("d.c0", EIGHT, 0.001)]
    assert reason(meter, b"m v=1").startswith("bad_time")


def test_intervals_in_lines_need_no_rule_for_their_time() -> None:
    meter = station("line-protocol", "from: fields.v, length: 1h, stamp: end", keys="",
                    kind="interval")  # fmt: skip
    assert values(meter, f"m v=1u {EIGHT_S}000000000".encode()) == [1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"meter", "line 1 of the payload is no line protocol: fields follow"),
        (b"m v=1\nm v", "line 2 of the payload is no line protocol: a field is written"),
        (b",a=b v=1", "a line begins with the name"),
        (b"m v=1,", "a field is written as name=value"),
        (b"m v=abc", "neither a number, t, f nor a text"),
        (b'm v="abc', "a field is written"),
        (b"m v=1 now", "a time in digits"),
        (b"m v=1 12345678901234567890", "a time in digits"),
        (b"m,a=1,a=2 v=1", "repeated_key"),
        (b"m v=1,v=2", "repeated_key"),
        (b"\xff", "not UTF-8"),
        (b"m v=1\n" * 10_001, "too_many_values: the message has more than 10000 lines"),
    ],
)
def test_what_is_no_line_is_refused(line: bytes, words: str) -> None:
    assert words in reason(station("line-protocol", "from: fields.v", keys=""), line)


# -- gzip -----------------------------------------------------------------------------------------

SENT = json.dumps({"t": EIGHT_S, "v": 17.5}).encode()
PACKED = "timestamp: {from: t}\n    compression: gzip"


@pytest.mark.parametrize(
    ("wire_format", "payload"),
    [
        ("json", SENT),
        ("cbor", cbor2.dumps({"t": EIGHT_S, "v": 17.5})),
    ],
)
def test_a_payload_may_be_packed(wire_format: str, payload: bytes) -> None:
    meter = station(wire_format, "from: v", keys=PACKED)
    assert meter.receive("d", gzip.compress(payload, mtime=0)) == [Reading("d.c0", EIGHT, 17.5)]


def test_tonnes_own_format_may_be_packed() -> None:
    meter = station_of("""
facility: {id: field, name: Field, timezone: UTC}
devices:
  - id: d
    compression: gzip
    channels: [{id: c, quantity: energy, unit: kWh, kind: counter}]
""")
    sent = json.dumps({"ts": EIGHT_S, "values": {"c": 3}}).encode()
    topic = "emissions/field/d/readings"
    assert meter.receive(topic, gzip.compress(sent, mtime=0)) == [Reading("d.c", EIGHT, 3)]


def test_no_bomb_is_unpacked() -> None:
    meter = station("json", "from: v", keys=PACKED)
    bomb = gzip.compress(b" " * (64 << 20) + SENT)
    assert len(bomb) < 1 << 17
    assert "too_large: unpacked, the message has 1048576 bytes or more" in reason(meter, bomb)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (SENT, "the payload is not gzip"),
        (zlib.compress(SENT), "the payload is not gzip"),
        (gzip.compress(SENT, mtime=0)[:-9], "cut off"),
        (gzip.compress(SENT, mtime=0)[:-1] + b"\x01", "is not gzip"),
        (gzip.compress(SENT, mtime=0) + b"x", "more bytes follow"),
    ],
)
def test_what_was_not_packed_so_is_refused(payload: bytes, words: str) -> None:
    assert words in reason(station("json", "from: v", keys=PACKED), payload)


def test_whoever_forgot_to_say_so_is_told() -> None:
    said = reason(station("json", "from: v"), gzip.compress(SENT, mtime=0))
    assert "say compression: gzip for the device" in said
