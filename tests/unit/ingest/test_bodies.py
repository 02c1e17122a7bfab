"""Bodies of POST /v1/readings become the payloads that their devices would have sent."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import cbor2
import nanoarrow as na
import numpy as np
import pytest
from nanoarrow import ipc

from services.core.runtime.reading_door import Form
from services.ingest.bodies import records as records_module
from services.ingest.bodies import unpacking
from services.ingest.bodies.records import (
    TooLargeBodyError,
    UnusableBodyError,
)
from services.ingest.quarantine.reasons import Reason
from tests.record_bodies import AT, AT_S, one, readings, taken


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
        ("ndjson", f'[{{"ts": {AT_S}, "values": {{"p": 1.5}}}}]\n'),
        ("senml", [{"n": "p", "t": AT_S, "v": 1.5}]),
        ("csv", f"time,value\n{AT},1.5\n"),
        ("line-protocol", f"any p=1.5 {AT_S}000000000"),
    ],
)
def test_what_a_record_leaves_out_the_address_says(form: Form, body: Any) -> None:
    channel = {"channel": "p"} if form == "csv" or "value" in str(body)[:45] else {}
    assert readings(taken(body, form, facility="linz", device="m", **channel)) == one()


def test_units_and_qualities_go_with_the_reading() -> None:
    row = {"facility": "linz", "device": "m", "time": AT, "channel": "p", "value": 1.5}
    assert readings(taken([{**row, "unit": "MW", "quality": "uncertain"}])) == one(1.5, "MW", 1)
    # a gap that tonne itself calls so
    assert readings(taken([{**row, "quality": "above-range"}])) == one(1.5, None, 2)
    csv = f"time,facility,device,channel,value,unit,quality\n{AT},linz,m,p,1.5,MW,bad\n"
    assert readings(taken(csv, "csv")) == one(1.5, "MW", 2)


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
        ("json", [{"facility": 7}], Reason.NOT_A_READING, "facility is 7, and must be a text"),
        ("json", [{"unit": ["kW"]}], Reason.NOT_A_READING, "unit is an array"),
        ("json", '"facility"', Reason.NOT_A_READING, '"facility" is no object'),
        ("json", "null", Reason.NOT_A_READING, "null is no object"),
        ("json", [{"time": AT, "value": 1}], Reason.NOT_A_READING, "names no channel"),
        ("ndjson", '{"device": "m"', Reason.NOT_A_READING, "not JSON"),
        ("line-protocol", f"m,facility=linz p=1 {AT_S}", Reason.BAD_TIME, "and as s in our times"),
        ("line-protocol", f"m,facility=linz p=1 {AT_S}000", Reason.BAD_TIME, "as ms in our"),
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
        ("json", " \n", "the body is empty"),
        (
            "csv",
            gzip.compress(b"time,value\n", mtime=0),
            "send it compressed once",
        ),
        ("json", b"\xff", "not UTF-8"),
        ("senml", {}, "not an array"),
        ("csv", "a,b\n1,2\n", "no column is called time"),
        ("csv", "time,channel,value\n1,p,2\n", "?facility"),
        ("csv", b"time,facility,device,channel,value\n\xff,1,1,1,1\n", "not UTF-8"),
        ("line-protocol", "m,facility=linz p=1 1\nm p\n", "line 2"),
        ("arrow", b"no stream", "no Arrow stream"),
    ],
)
def test_a_body_that_is_not_of_its_form_is_refused_whole(form: Form, body: Any, words: str) -> None:
    with pytest.raises(UnusableBodyError, match=words.replace("?", r"\?")):
        list(taken(body, form).parts())


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
    with pytest.raises(UnusableBodyError, match="gzip once more"):
        taken(gzip.compress(packed), is_gzip=True)
    bomb = gzip.compress(b" " * 50_000_000)
    with pytest.raises(TooLargeBodyError, match="more than 1000 bytes"):
        taken(bomb, is_gzip=True, max_bytes=1000)


def test_members_of_gzip_are_unpacked_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # zlib copies what follows a member, so that each one looked at the whole rest
    nothing = gzip.compress(b"")
    with pytest.raises(UnusableBodyError, match="more than 10000 members; compress it as one"):
        taken(nothing * 10_001, is_gzip=True)
    line = f'{{"facility":"linz","device":"m","ts":{AT_S},"values":{{"p":1.5}}}}\n'.encode()
    member = gzip.compress(line)
    for size in (1, len(member) - 1, len(member), len(member) + 1, 1 << 14):
        monkeypatch.setattr(unpacking, "_PIECE_BYTES", size)
        records = taken(member * 3, "ndjson", is_gzip=True)
        assert [row[-1] for row in readings(records)] == [0, 1, 2]


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "line-protocol"])
def test_a_mark_of_byte_order_before_a_text_says_nothing(form: Form) -> None:
    bodies: dict[str, str] = {
        "json": f'{{"facility":"linz","device":"m","ts":{AT_S},"values":{{"p":1.5}}}}',
        "ndjson": f'{{"facility":"linz","device":"m","ts":{AT_S},"values":{{"p":1.5}}}}',
        "csv": f"time,facility,device,channel,value\n{AT},linz,m,p,1.5\n",
        "line-protocol": f"m,facility=linz p=1.5 {AT_S}000000000",
    }
    assert readings(taken("\ufeff" + bodies[form], form)) == one()


def test_nan_of_a_row_spoils_its_own_value_only() -> None:
    row = f'{{"facility":"linz","device":"m","time":"{AT}","channel":"p","value":'
    body = f"[{row}NaN}},{row}1.5}}]"
    (part,) = taken(body).parts()
    first, second = json.loads(part.payload)
    assert str(first["values"]["p"]["v"]) == "nan"
    assert second["values"]["p"]["v"] == 1.5


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
