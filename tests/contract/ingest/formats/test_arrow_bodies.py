"""Arrow streams that pyarrow and polars write are read as bodies of readings."""

from __future__ import annotations

import io
import json
import random
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from services.ingest.bodies.records import TooLargeBodyError, UnusableBodyError
from tests.record_bodies import AT, AT_US, one, readings, taken


def arrow(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.fixture(name="table")
def _table() -> pa.Table:
    """One reading; made when a test runs, because pyarrow then loads pandas."""
    return pa.table(
        {
            "time": [datetime(2026, 11, 23, 18, tzinfo=UTC)],
            "facility": ["linz"],
            "device": ["m"],
            "channel": ["p"],
            "value": [1.5],
        }
    )


def test_every_shape_of_table_says_the_same_reading(table: pa.Table) -> None:
    for same in (
        table,
        table.set_column(3, "channel", table["channel"].dictionary_encode()),
        table.select(["time", "facility"]).append_column("m.p", pa.array([1.5])),
    ):
        records = taken(arrow(same), "arrow")
        assert readings(records) == one()
        assert records.verdicts == []


def test_what_a_table_leaves_out_the_address_says(table: pa.Table) -> None:
    body = arrow(table.select(["time", "value"]))
    assert readings(taken(body, "arrow", facility="linz", device="m", channel="p")) == one()


def test_units_go_with_the_reading(table: pa.Table) -> None:
    table = table.append_column("unit", pa.array(["MW"]))
    assert readings(taken(arrow(table), "arrow")) == one(1.5, "MW")


def test_a_stream_that_cannot_be_read_is_refused_whole(table: pa.Table) -> None:
    naive = pa.array([datetime(2026, 1, 1)])  # noqa: DTZ001
    for body, words in (
        (arrow(table)[:-200], "no Arrow stream"),
        (arrow(table, compression="zstd"), "compressed"),
        (arrow(table, compression="lz4"), "compressed"),
        (arrow(table.set_column(0, "time", naive)), "no time zone"),
        (arrow(table.set_column(4, "value", pa.array(["1"]))), "float64"),
    ):
        with pytest.raises(UnusableBodyError, match=words):
            list(taken(body, "arrow").parts())


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
