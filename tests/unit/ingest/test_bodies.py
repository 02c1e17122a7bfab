"""Bodies of POST /v1/readings become the payloads that their devices would have sent."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import cbor2
import nanoarrow as na
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from nanoarrow import ipc

from services.core.runtime.reading_door import Form, Question
from services.ingest.bodies import records as records_module
from services.ingest.bodies.body import read
from services.ingest.bodies.records import (
    Records,
    TooLargeBodyError,
    UnusableBodyError,
)
from services.ingest.decode import native
from services.ingest.quarantine.reasons import Reason

AT = "2026-11-23T18:00:00Z"
AT_S = 1795456800
AT_US = AT_S * 1_000_000


def taken(body: bytes | str | Any, form: Form = "json", **stated: Any) -> Records:
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    max_bytes = stated.pop("max_bytes", 1 << 20)
    return read(Question(form=form, body_bytes=len(body), **stated), body, max_bytes=max_bytes)


def readings(records: Records) -> list[tuple[Any, ...]]:
    """Facility, device, channel, microseconds, value, unit, quality and index of each reading."""
    found = []
    for part in records.parts():
        document = json.loads(part.payload)
        number = len(document) if isinstance(document, list) else 1
        assert number == len(part.indices)
        for one, index in zip(
            document if isinstance(document, list) else [document], part.indices, strict=True
        ):
            decoded = native.decode(json.dumps(one).encode(), 0)
            assert not decoded.problems
            found += [
                (part.facility, part.device, o.channel, o.ts_us, o.value, o.unit, o.quality, index)
                for o in decoded.observations
            ]
    return found


def one(value: float = 1.5, unit: str | None = None, quality: int = 0) -> list[tuple[Any, ...]]:
    return [("linz", "m", "p", AT_US, value, unit, quality, 0)]


def arrow(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


TABLE = pa.table(
    {
        "time": [datetime(2026, 11, 23, 18, tzinfo=UTC)],
        "facility": ["linz"],
        "device": ["m"],
        "channel": ["p"],
        "value": [1.5],
    }
)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("json", {"facility": "linz", "device": "m", "ts": AT, "values": {"p": 1.5}}),
        ("json", [{"facility": "linz", "device": "m", "ts": AT_S, "values": {"p": {"v": 1.5}}}]),
        ("json", [{"facility": "linz", "device": "m", "time": AT, "channel": "p", "value": 1.5}]),
        ("ndjson", f'{{"facility":"linz","device":"m","ts":{AT_S},"values":{{"p":1.5}}}}\n'),
        ("senml", [{"bn": "linz/m/", "bt": AT_S, "n": "p", "v": 1.5}]),
        ("senml", cbor2.dumps([{-2: "linz/m/", -3: AT_S, 0: "p", 2: 1.5}])),
        ("csv", f"time,facility,device,channel,value\n{AT},linz,m,p,1.5\n"),
        ("csv", f"time;facility;m.p\n{AT};linz;1.5\n"),
        ("line-protocol", f"any,facility=linz,device=m p=1.5 {AT_S}000000000\n"),
        ("line-protocol", f"m,facility=linz p=1.5 {AT_S}000000000"),
        ("arrow", arrow(TABLE)),
        ("arrow", arrow(TABLE.set_column(3, "channel", TABLE["channel"].dictionary_encode()))),
        (
            "arrow",
            arrow(TABLE.select(["time", "facility"]).append_column("m.p", pa.array([1.5]))),
        ),
    ],
)
def test_every_form_says_the_same_reading(form: Form, body: Any) -> None:
    records = taken(body, form)
    assert readings(records) == one()
    assert records.verdicts == []


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("json", {"ts": AT, "values": {"p": 1.5}}),
        ("json", [{"ts": AT, "values": {"p": 1.5}}]),
        ("json", {"time": AT, "value": 1.5}),
        ("senml", [{"n": "p", "t": AT_S, "v": 1.5}]),
        ("csv", f"time,value\n{AT},1.5\n"),
        ("line-protocol", f"any p=1.5 {AT_S}000000000"),
        ("arrow", arrow(TABLE.select(["time", "value"]))),
    ],
)
def test_what_a_record_leaves_out_the_address_says(form: Form, body: Any) -> None:
    channel = {"channel": "p"} if form in {"csv", "arrow"} or "value" in str(body)[:45] else {}
    assert readings(taken(body, form, facility="linz", device="m", **channel)) == one()


def test_units_and_qualities_go_with_the_reading() -> None:
    row = {"facility": "linz", "device": "m", "time": AT, "channel": "p", "value": 1.5}
    assert readings(taken([{**row, "unit": "MW", "quality": "uncertain"}])) == one(1.5, "MW", 1)
    # a gap that tonne itself calls so
    assert readings(taken([{**row, "quality": "above-range"}])) == one(1.5, None, 2)
    csv = f"time,facility,device,channel,value,unit,quality\n{AT},linz,m,p,1.5,MW,bad\n"
    assert readings(taken(csv, "csv")) == one(1.5, "MW", 2)
    table = TABLE.append_column("unit", pa.array(["MW"]))
    assert readings(taken(arrow(table), "arrow")) == one(1.5, "MW")


def test_the_bytes_of_a_record_are_kept() -> None:
    body = '[{"facility":"linz", "device":"m", "ts":1.0, "note":"x", "values":{"p":1.50}}]'
    (part,) = taken(body).parts()
    assert part.payload == body[1:-1].encode()


def test_records_of_a_device_share_messages_and_know_their_places() -> None:
    rows = [
        {"facility": "linz", "device": "ab"[i % 2], "ts": AT_S + i, "values": {"p": i}}
        for i in range(10)
    ]
    parts = list(taken(rows).parts())
    assert [(part.device, list(part.indices)) for part in parts] == [
        ("a", [0, 2, 4, 6, 8]),
        ("b", [1, 3, 5, 7, 9]),
    ]


def test_large_bodies_become_messages_that_a_broker_would_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records_module, "_PAYLOAD_RECORDS", 3)
    row = {"facility": "linz", "device": "m", "ts": AT, "values": {"p": 1}}
    parts = list(taken([row] * 7).parts())
    assert [len(part.indices) for part in parts] == [3, 3, 1]
    wide = {**row, "values": {f"c{i}": i for i in range(6000)}}
    assert [len(part.indices) for part in taken([wide, wide]).parts()] == [1, 1]


def test_a_record_that_is_refused_whole_takes_no_other_with_it() -> None:
    good = '{"facility":"linz","device":"m","ts":1e9,"values":{"p":1}}'
    twice = '{"facility":"linz","device":"m","ts":1e9,"ts":2e9,"values":{"p":1}}'
    parts = list(taken(f"[{good},{twice},{good}]").parts())
    assert sorted(tuple(part.indices) for part in parts) == [(0,), (1,), (2,)]


def test_nan_spoils_its_own_value_only() -> None:
    body = '[{"facility":"linz","device":"m","ts":1,"values":{"p":NaN,"q":1}}]'
    (part,) = taken(body).parts()
    assert b"NaN" in part.payload
    lines = body[1:-1] + "\n"
    (part,) = taken(lines, "ndjson").parts()
    assert part.lines == [1]


@pytest.mark.parametrize(
    ("form", "body", "reason", "words"),
    [
        ("json", [7], Reason.NOT_A_READING, "no reading"),
        ("json", [{"facility": 7}], Reason.NOT_A_READING, "no reading"),
        ("json", [{"device": "m", "values": {}}], Reason.BAD_TOPIC, "names no facility"),
        ("json", [{"facility": "linz", "values": {}}], Reason.BAD_TOPIC, "names no device"),
        ("json", [{"facility": "a/b", "device": "m"}], Reason.BAD_TOPIC, "cannot be a facility"),
        ("json", [{"facility": "linz", "device": "+"}], Reason.BAD_TOPIC, "cannot be a device"),
        ("ndjson", "{oops\n", Reason.NOT_A_READING, "no reading"),
        ("csv", "time,facility,device,channel,value\n1,linz\n", Reason.NOT_A_READING, "2 cells"),
        ("senml", [{"n": "linz/m/p", "v": 1}], Reason.BAD_TIME, "no time"),
        ("senml", [{"n": "linz/m/p", "t": AT_S, "s": 1}], Reason.MALFORMED_SENML, "sums"),
        ("senml", [{"n": "linz/m/p", "t": AT_S, "vs": "a"}], Reason.BAD_VALUE, "not a number"),
        ("line-protocol", "m,facility=linz p=1", Reason.BAD_TIME, "no time"),
        ("line-protocol", f"m,facility=linz p=1 {10**18 * 9}", None, ""),
    ],
)
def test_a_record_that_no_device_can_have_sent_is_named(
    form: Form, body: Any, reason: Reason | None, words: str
) -> None:
    records = taken(body, form)
    if reason is None:
        assert not records.verdicts
        return
    (verdict,) = records.verdicts
    assert verdict.reason == reason
    assert words in verdict.detail
    assert verdict.advice
    assert not verdict.quarantined
    assert verdict.index == 0
    assert list(records.parts()) == []


def test_lines_are_counted_as_an_editor_does() -> None:
    csv = f"time,facility,device,channel,value\n{AT},linz,m,p,1\n{AT},linz,m\n{AT},linz,m,q,1\n"
    records = taken(csv, "csv")
    assert [(v.index, v.line) for v in records.verdicts] == [(1, 3)]
    (part,) = records.parts()
    assert (list(part.indices), list(part.lines or [])) == ([0, 2], [2, 4])
    text = f"# a comment\n\nm,facility=linz p=1 {AT_S}000000000\nm,facility=linz p=1\n"
    records = taken(text, "line-protocol")
    assert [(v.index, v.line) for v in records.verdicts] == [(1, 4)]
    (part,) = records.parts()
    assert list(part.lines or []) == [3]


def test_a_key_that_is_limited_hears_the_same_of_others_and_of_none() -> None:
    rows = [
        {"facility": name, "device": "m", "ts": AT, "values": {"p": 1}}
        for name in ("linz", "graz", "nowhere")
    ]
    records = taken(rows, facilities=["linz"])
    assert [part.facility for part in records.parts()] == ["linz"]
    graz, nowhere = records.verdicts
    assert graz.reason == nowhere.reason == Reason.UNKNOWN_FACILITY
    assert graz.detail.replace("graz", "nowhere") == nowhere.detail
    # a key without limits may send to what is not there: it lies in quarantine until it is
    assert len(list(taken(rows).parts())) == 3


@pytest.mark.parametrize(
    ("form", "body", "words"),
    [
        ("json", "[{", "not JSON"),
        ("json", "", "not JSON"),
        ("json", b"\xff", "not UTF-8"),
        ("senml", {}, "not an array"),
        ("csv", "a,b\n1,2\n", "no column is called time"),
        ("csv", "time,channel,value\n1,p,2\n", "?facility"),
        ("csv", b"time,facility,device,channel,value\n\xff,1,1,1,1\n", "not UTF-8"),
        ("line-protocol", "m,facility=linz p=1 1\nm p\n", "line 2"),
        ("arrow", b"no stream", "no Arrow stream"),
        ("arrow", arrow(TABLE)[:-200], "no Arrow stream"),
        ("arrow", arrow(TABLE, compression="zstd"), "compressed"),
        ("arrow", arrow(TABLE, compression="lz4"), "compressed"),
        (
            "arrow",
            arrow(TABLE.set_column(0, "time", pa.array([datetime(2026, 1, 1)]))),  # noqa: DTZ001
            "no time zone",
        ),
        ("arrow", arrow(TABLE.set_column(4, "value", pa.array(["1"]))), "float64"),
    ],
)
def test_a_body_that_is_not_of_its_form_is_refused_whole(form: Form, body: Any, words: str) -> None:
    with pytest.raises(UnusableBodyError, match=words.replace("?", r"\?")):
        list(taken(body, form).parts())


def test_arrow_tells_times_in_every_unit_and_gaps() -> None:
    at = datetime(2026, 11, 23, 18, tzinfo=UTC)
    for unit in ("s", "ms", "us", "ns"):
        times = pa.array([at, None, at], pa.timestamp(unit, "UTC"))
        table = pa.table({"time": times, "value": pa.array([1.5, 2.0, None])})
        records = taken(arrow(table), "arrow", facility="linz", device="m", channel="p")
        documents = [json.loads(part.payload) for part in records.parts()]
        (told,) = documents
        assert [(row["ts"], row["values"]["p"]) for row in told] == [
            (AT, 1.5),
            (None, 2.0),
            (AT, None),
        ]


def test_arrow_of_polars_has_texts_of_its_own_kind() -> None:
    long = "a-channel-with-a-name-of-more-than-twelve-letters"
    frame = pl.DataFrame(
        {
            "time": [datetime(2026, 11, 23, 18, tzinfo=UTC)] * 3,
            "channel": ["p", long, "p"],
            "value": [1, 2, None],
            "unit": ["kW", None, None],
        }
    )
    sink = io.BytesIO()
    frame.write_ipc_stream(sink)
    records = taken(sink.getvalue(), "arrow", facility="linz", device="m")
    assert [row[2:7] for row in readings(records)] == [
        ("p", AT_US, 1.0, "kW", 0),
        (long, AT_US, 2.0, None, 0),
        ("p", AT_US, None, None, 0),
    ]


def test_an_arrow_stream_that_was_changed_anywhere_is_read_or_refused() -> None:
    number = 30
    table = pa.table(
        {
            "time": pa.array([datetime(2026, 11, 23, 18, tzinfo=UTC)] * number),
            "device": pa.array([f"m{i % 3}" for i in range(number)]),
            "channel": pa.array(["p", "q"] * (number // 2)).dictionary_encode(),
            "value": pa.array([1.5, None] * (number // 2)),
            "derived": pa.array([False, None] * (number // 2)),
        }
    )
    sound = arrow(table)
    assert len(readings(taken(sound, "arrow", facility="linz"))) == number
    chance = random.Random(7)
    for position in range(len(sound)):
        changed = bytearray(sound)
        changed[position] = chance.randrange(256)
        with suppress(UnusableBodyError, TooLargeBodyError):
            list(taken(bytes(changed), "arrow", facility="linz").parts())
        with suppress(UnusableBodyError, TooLargeBodyError):
            list(taken(sound[:position], "arrow", facility="linz").parts())


def test_gzip_is_unpacked_within_its_bound() -> None:
    body = json.dumps([{"facility": "linz", "device": "m", "ts": AT, "values": {"p": 1.5}}])
    packed = gzip.compress(body.encode())
    assert readings(taken(packed, is_gzip=True)) == one()
    halves = gzip.compress(body[:20].encode()) + gzip.compress(body[20:].encode())
    assert readings(taken(halves, is_gzip=True)) == one()
    with pytest.raises(UnusableBodyError, match="not gzip"):
        taken(body, is_gzip=True)
    with pytest.raises(UnusableBodyError, match="cut off"):
        taken(packed[:-4], is_gzip=True)
    bomb = gzip.compress(b" " * 50_000_000)
    with pytest.raises(TooLargeBodyError, match="more than 1000 bytes"):
        taken(bomb, is_gzip=True, max_bytes=1000)


def _many(number: int) -> dict[Form, Callable[[], bytes]]:
    row = '{"facility":"linz","device":"m","ts":1,"values":{"p":1}}'
    zeros = np.zeros(number, dtype=np.int64)

    def stream() -> bytes:
        sink = io.BytesIO()
        schema = na.struct({"time": na.timestamp("us", timezone="UTC"), "value": na.int64()})
        children = [
            na.c_array_from_buffers(kind, number, [None, zeros])
            for kind in (na.timestamp("us", timezone="UTC"), na.int64())
        ]
        with ipc.StreamWriter.from_writable(sink) as writer:
            writer.write_array(na.c_array_from_buffers(schema, number, [None], children=children))
        return sink.getvalue()

    return {
        "json": f"[{','.join([row] * number)}]".encode,
        "ndjson": lambda: f"{row}\n".encode() * number,
        "senml": lambda: json.dumps([{"n": "p", "t": AT_S, "v": 1}] * number).encode(),
        "csv": lambda: b"time,value\n" + b"1,1\n" * number,
        "line-protocol": lambda: b"m p=1 1\n" * number,
        "arrow": stream,
    }


@pytest.mark.parametrize("form", ["json", "ndjson", "senml", "csv", "line-protocol", "arrow"])
def test_a_body_of_too_many_records_is_refused(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("records", "line_body", "arrow_rows"):
        monkeypatch.setattr(f"services.ingest.bodies.{module}.MAX_RECORDS", 50)
    stated = {"facility": "linz", "device": "m"} | (
        {"channel": "p"} if form in {"csv", "arrow"} else {}
    )
    taken(_many(50)[form](), form, **stated)
    with pytest.raises(TooLargeBodyError, match="more than 50"):
        taken(_many(51)[form](), form, **stated)
