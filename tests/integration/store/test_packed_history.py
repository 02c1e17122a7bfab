"""Readers tell the same of a history, whichever of its days are packed; writers change it alike."""

# ruff: noqa: PERF401 - one answer after the other, each on a line of its own

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
import pytest

from services.core.facility import model
from services.core.store.alerts import watch_series
from services.core.store.answers.chart_annotations import chart_annotations
from services.core.store.answers.explain_inputs import InputChannel, input_hours
from services.core.store.answers.source_uncertainty import source_accounts
from services.core.store.database.connect import connect, engine
from services.core.store.database.transactions import reading_pool
from services.core.store.emissions import claims, final_hours
from services.core.store.operations.retire_facility import _STORED
from services.core.store.packing import opened
from services.core.store.packing.days import DamagedDayError, begin
from services.core.store.readings import (
    calibrations,
    chart,
    discards,
    history,
    history_arrays,
    lone_readings,
    series,
    writer,
)
from services.core.store.readings.packing import days
from services.core.store.readings.series_as_known import ReadingsAsKnown
from services.core.store.readings.writer import Correction, ReadingRow, Supersession
from services.core.store.registry import recompute_queue
from services.core.timeline.instants import DAY, HOUR, MINUTE, SECOND, to_us
from tests.integration.aggregator.plant import Plant, Reading, instant, some_readings
from tests.integration.packed import pack_some, unpack_all

START = instant("2026-03-02T00:00:00Z")
END = START + 4 * DAY
FIRST = int(START.timestamp()) // 60


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    writer.create_staging(plant.connection)
    rng = random.Random(5)
    plant.store(some_readings(rng, START + 2 * HOUR, 80))
    # known in four steps, as a reader of then has to tell
    plant.connection.execute(
        "UPDATE reading SET known_at = received_at"
        " + (1 + extract(epoch FROM ts)::int8 / 7 % 4) * interval '1 second'"
        " WHERE extract(epoch FROM ts)::int8 % 3 = 0"
    )
    yield plant
    plant.close()


def _requests(rng: random.Random, channels: list[int]) -> series.SeriesRequests:
    size = 12
    firsts = np.array([FIRST + rng.randrange(-60, 4 * 1440) for _ in range(size)])
    return series.SeriesRequests(
        channels=np.array([rng.choice(channels) for _ in range(size)]),
        firsts=firsts,
        lasts=firsts + np.array([rng.randrange(200) for _ in range(size)]),
        before=np.array([rng.choice([0, 1, 9, 18]) for _ in range(size)]),
        after=np.array([rng.choice([0, 9, 18]) for _ in range(size)]),
    )


def _told(answer: series.Series) -> list[Any]:
    uncertain = [] if answer.uncertain is None else answer.uncertain.tolist()
    return [answer.ts_us.tolist(), answer.value.view(np.int64).tolist(), uncertain,
            answer.bounds.tolist()]  # fmt: skip


def _aggregators(plant: Plant, connection: psycopg.Connection[Any], known: datetime) -> list[Any]:
    """What whoever holds the facility is told."""
    rng, channels = random.Random(11), sorted(plant.channels.values())
    ids = np.array(channels)
    told: list[Any] = []
    for _ in range(3):
        requests = _requests(rng, channels)
        for readings in (
            series.StoredReadings(connection),
            ReadingsAsKnown(connection, known),
            ReadingsAsKnown(connection, known - 2 * SECOND),
        ):
            told.append(_told(readings.read(requests)))
    stored = series.StoredReadings(connection)
    since = np.array([to_us(START + rng.randrange(90) * HOUR) for _ in channels])
    told.append(_told(stored.since(ids, since)))
    lasts = since // 60_000_000 + 100
    told.append([part.tolist() for part in stored.neighbours(ids, since, lasts, 9)])
    for hours in (1, 30, 83):
        end = FIRST + 60 * hours
        told.append(series.holding(connection, channels, [7200.0] * len(channels), end))
        told.append(ReadingsAsKnown(connection, known).ahead(channels, end))
        told.append(calibrations.excused(connection, channels, end // 60, end // 60 + 30))
        told.append([calibrations.readings(connection, c, end, end + 2000) for c in channels])
        told.append(watch_series.newest_readings(connection, [channels[:2], channels[2:]], end,
                                                 end + 300).tolist())  # fmt: skip
    source = plant.sources["stack"]
    told.append(final_hours.bounds(connection, source, None, None))
    told.append(sorted(final_hours.after_retirement(connection, source, channels, FIRST // 60,
                                                    FIRST // 60 + 100)))  # fmt: skip
    return told


def _people(plant: Plant, url: str, known: datetime) -> list[Any]:
    """What the API and commands are told; each opens its own transactions."""
    told: list[Any] = []
    spans = ((START, END), (START + 30 * HOUR, START + 31 * HOUR), (START + DAY, START + 2 * DAY))
    with connect(url, process="api", role="tonne_read") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for channel_id in plant.channels.values():
            for begins, ends in spans:
                told.append(history_arrays.bounds(connection, channel_id, begins, ends))
                for limit in (3, 5000):
                    told.append(discards.stored(connection, channel_id, begins, ends, limit=limit))
            for count in (5, 1000):
                told.append(history_arrays.newest_times(connection, channel_id, count).tolist())
            connection.rollback()
            lone = [(START + k * MINUTE, START + (k + 1) * MINUTE) for k in range(0, 200, 17)]
            told.append([lone_readings.any_stored(connection, [channel_id], [s]) for s in lone])
            told.append(lone_readings.anything_stored(connection, [channel_id]))
        specs = dict(connection.execute("SELECT id, spec FROM channel").fetchall())
        for name, channel_id in plant.channels.items():
            device, _, slug = name.partition(".")
            spec = model.Channel.model_validate(specs[channel_id])
            channel = InputChannel(role="x", device=device, channel=slug, id=channel_id, spec=spec)
            for as_of in (None, known, known - 2 * SECOND):
                for hour in (START + 30 * HOUR, START + 48 * HOUR):
                    told.append(repr(input_hours(connection, [channel], hour, as_of=as_of)))
                    connection.rollback()
    bind = engine(url, process="test")
    with bind.connect() as connection_:
        key = {"facility": plant.facility_id}
        told.append(tuple(connection_.execute(_STORED, key).one()))
        told.append(recompute_queue._of_readings(connection_, sorted(plant.channels.values())))
    bind.dispose()
    told.append(asyncio.run(_charts(plant, url)))
    return told


async def _charts(plant: Plant, url: str) -> list[Any]:
    told: list[Any] = []
    pool = reading_pool(url, process="api", connections=1)
    try:
        async with pool.connect() as connection:
            for channel in await chart.channels(connection, plant.facility_id):
                for begins, ends in ((START, END), (START + 25 * HOUR, START + 26 * HOUR)):
                    span = {"begins": begins, "ends": ends}
                    charts = [
                        await chart.readings(connection, channel, **span, max_points=points)
                        for points in (10, 500, 100_000)
                    ]
                    charts += [
                        await chart.every_reading(connection, channel, **span, limit=limit)
                        for limit in (7, 1000, 100_000)
                    ]
                    for rows in charts:
                        columns = (rows.series.ts_us, rows.series.value, rows.series.missing,
                                   rows.series.quality, rows.over_full_scale)  # fmt: skip
                        told.append([repr(column.tolist()) for column in columns])
                        told.append(rows.thinned)
            for hours in (0, 20, 60):
                told.append(await chart_annotations(
                    connection, [plant.facility_id], begins=START + hours * HOUR,
                    ends=START + (hours + 40) * HOUR, kinds=["register"],
                    open_gaps=[], limit=1000,
                ))  # fmt: skip
            told.append(repr(await source_accounts(connection, "works")))
    finally:
        await pool.dispose()
    return told


def _everything(plant: Plant, url: str, known: datetime) -> list[Any]:
    with connect(url, process="aggregator", role="tonne_aggregate", autocommit=True) as connection:
        with connection.transaction():
            claims.lock(connection, plant.facility_id)
            aggregators = _aggregators(plant, connection, known)
        # nothing that one transaction opened is seen in the next
        with connection.transaction():
            claims.lock(connection, plant.facility_id)
            assert _aggregators(plant, connection, known) == aggregators
    return [*aggregators, *_people(plant, url, known)]


def test_every_reader_tells_the_same_whatever_is_packed(plant: Plant, database_url: str) -> None:
    ((known,),) = plant.rows("SELECT max(received_at) + interval '3 seconds' FROM reading")
    connection, before = plant.connection, plant.rows("SELECT * FROM reading ORDER BY 4, 1")
    expected = _everything(plant, database_url, known)
    for seed, share, together in ((1, 0.4, 1), (2, 0.4, 3), (3, 1.0, 4)):
        assert pack_some(connection, random.Random(seed), share, together=together) > 3
        runs = plant.rows("SELECT count(*) FROM packed_readings WHERE days > 1")
        assert (runs[0][0] > 3) == (together > 1)
        for told, right in zip(_everything(plant, database_url, known), expected, strict=True):
            assert told == right
        if share < 1:
            unpack_all(connection)
            assert plant.rows("SELECT * FROM reading ORDER BY 4, 1") == before
    assert plant.rows("SELECT count(*) FROM reading") == [(0,)]
    unpack_all(connection)
    assert plant.rows("SELECT * FROM reading ORDER BY 4, 1") == before
    assert plant.rows("SELECT count(*) FROM packed_readings") == [(0,)]


def _write(plant: Plant) -> list[Any]:
    """Write late, doubled, conflicting, corrected, superseding and discarded readings."""
    connection, channel = plant.connection, plant.channels["meter.power"]
    key = discards.channel(connection, "works", "meter", "power")
    assert key is not None
    ((ts, value),) = plant.connection.execute(
        "SELECT ts, value FROM history_for_test WHERE channel_id = %s AND value IS NOT NULL"
        " AND quality = 0 ORDER BY ts OFFSET 200 LIMIT 1",
        (channel,),
    ).fetchall()

    def row(at: datetime, sent: float, source: int = 0) -> ReadingRow:
        us = to_us(at)
        return ReadingRow(plant.facility_id, channel, us, sent, 0, source, us + 50)

    told: list[Any] = []
    second = row(ts, value + 1)
    rows = [row(ts, value), row(ts + 30 * MINUTE + SECOND, 7.5), second,
            row(ts + 2 * DAY + SECOND, 8.5), row(ts, value + 2, 1)]  # fmt: skip
    with connection.transaction():
        written = writer.write(connection, rows)
        told.append((written.stored, written.duplicates, [c.position for c in written.conflicts]))
        correction = Correction(row=second, quarantine_id=1)
        told.append(writer.correct(connection, [correction], by="b", note=None, reason="r"))
    with connection.transaction():
        # what COMMIT does
        connection.execute("DELETE FROM staged_reading")
        (again,) = writer.write(connection, [row(ts, value + 3)]).conflicts
        assert again.stored_value == value + 1
        told.append(writer.supersede(connection, [
            Supersession(row=row(ts, value + 3), conflict=again, wins=True, rule="r", reason="s")
        ]))  # fmt: skip
    span = (START + 26 * HOUR, START + 60 * HOUR)
    for _ in range(2):
        told.append(discards.discard(connection, key, *span, by="b", reason="r", limit=300))
    return told


def _left(plant: Plant) -> list[Any]:
    unpack_all(plant.connection)
    return [
        plant.rows("SELECT channel_id, ts, value, quality, time_source FROM reading ORDER BY 1, 2"),
        plant.rows(
            "SELECT channel_id, ts, old_value, new_value FROM reading_correction ORDER BY id"
        ),
        plant.rows("SELECT channel_id, ts, value, quality FROM discarded_reading ORDER BY id"),
        plant.rows("SELECT channel_ids, minutes, seconds, reason FROM touched ORDER BY id"),
    ]


def test_late_readings_corrections_and_discards_open_just_their_days(plant: Plant) -> None:
    connection = plant.connection
    connection.execute("CREATE TABLE history_for_test AS SELECT * FROM reading")
    with connection.transaction(force_rollback=True):
        expected, right = _write(plant), _left(plant)
    pack_some(connection, random.Random(1))
    packed = plant.rows("SELECT channel_id, day, id FROM packed_readings")
    assert _write(plant) == expected
    opened = set(packed) - set(plant.rows("SELECT channel_id, day, id FROM packed_readings"))
    assert {channel for channel, *_ in opened} == {plant.channels["meter.power"]}
    assert len(opened) == 3
    assert _left(plant) == right


def test_a_reader_sees_one_history_while_it_is_packed_and_opened(
    plant: Plant, database_url: str
) -> None:
    """In a snapshot nothing changes; one that holds the facility is told to try again."""
    channel = plant.channels["meter.power"]
    day = int(START.timestamp()) // 86_400 + 1
    begins, ends = begin(day), begin(day + 1)

    def count(connection: psycopg.Connection[Any]) -> int:
        history.open_span(connection, [channel], begins, ends)
        row = connection.execute(
            "SELECT count(*) FROM reading WHERE channel_id = %s AND ts >= %s AND ts < %s",
            (channel, begins, ends),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def open_day() -> None:
        with plant.connection.transaction():
            days.open_for_writing(plant.connection, [channel], np.array([day]))

    with connect(database_url, process="test", autocommit=True) as other:
        with other.transaction():
            number = count(other)
        with opened.snapshot(other):
            assert count(other) == number
            pack_some(plant.connection, random.Random(1))
            assert count(other) == number
        with opened.snapshot(other):
            assert count(other) == number
            open_day()
            assert count(other) == number
            pack_some(plant.connection, random.Random(1))
            assert count(other) == number
        with (  # noqa: PT012 - only the last of them
            pytest.raises(psycopg.errors.SerializationFailure, match="try again"),
            other.transaction(),
        ):
            assert count(other) == number
            open_day()
            count(other)
        with other.transaction():
            assert count(other) == number
        assert not other.execute("SELECT count(*) FROM pg_temp.unpacked_reading").fetchone()[0]


def test_a_packed_span_is_found_by_index_and_only_in_its_chunks(plant: Plant) -> None:
    plant.store([Reading("meter.power", START + k * 7 * DAY, 1.0) for k in range(-5, 6)])
    channel = plant.channels["meter.power"]
    pack_some(plant.connection, random.Random(1), 0.7)
    with opened.snapshot(plant.connection):
        history.open_span(plant.connection, [channel], START, END)
        plan = "\n".join(line for (line,) in plant.connection.execute(
            "EXPLAIN SELECT x.i, r.ts FROM unnest(ARRAY[%s], ARRAY[1]) AS x(channel_id, i)"
            " CROSS JOIN LATERAL (SELECT ts FROM reading WHERE channel_id = x.channel_id"
            " AND ts >= %s AND ts < %s ORDER BY ts DESC LIMIT 3) r", (channel, START, END)
        ).fetchall())  # fmt: skip
    assert plan.count("_chunk") <= 2 * 3, plan
    assert "Scan Backward using unpacked_reading_pkey" in plan
    assert "Seq Scan" not in plan
    assert "Sort  (" not in plan


_TAKE = "SELECT day, days, sent FROM take_readings(%s, %s, %s, 'infinity')"
_PACK = "SELECT pack_readings(%s, ARRAY[%s], ARRAY['a'::bytea], ARRAY['b'::bytea])"


def test_rights_are_no_wider_than_to_pack_and_to_open(plant: Plant, database_url: str) -> None:
    channel, day = plant.channels["meter.power"], int(START.timestamp()) // 86_400 + 1
    total = plant.rows("SELECT count(*) FROM reading")
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as packer:
        # what is taken is packed before the transaction ends, and nothing else is packed
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="not packed"):
            packer.execute(_TAKE, (channel, day, day))
        with pytest.raises(psycopg.errors.RaiseException, match="not taken"):
            packer.execute(_PACK, (channel, day))
        with packer.transaction(force_rollback=True):
            packer.execute(_TAKE, (channel, day, day))
            with pytest.raises(psycopg.errors.RaiseException, match="not taken"):
                packer.execute(_PACK, (channel, day + 1))
        for table in ("reading", "packed_readings", "taken_readings"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                packer.execute(f"DELETE FROM {table}")  # noqa: S608 - named above
        today = int(datetime.now(START.tzinfo).timestamp()) // 86_400
        with pytest.raises(psycopg.errors.RaiseException, match="two days"):
            packer.execute(_TAKE, (channel, day, today - 1))
        assert plant.rows("SELECT count(*) FROM reading") == total
        with packer.transaction():
            assert days.pack(packer, channel, day).rows > 100
    with (
        connect(database_url, process="test", role="tonne_read", autocommit=True) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        reader.transaction(),
    ):
        days.open_days(reader, np.array([channel]), np.array([day]))


def test_days_are_packed_together_as_one_by_one_but_those_that_are_too_fresh(plant: Plant) -> None:
    channel, first = plant.channels["meter.power"], int(START.timestamp()) // 86_400
    fresh = instant("2030-01-01T00:00:00Z")
    plant.connection.execute(
        "UPDATE reading SET known_at = %s WHERE (channel_id, ts) = (SELECT channel_id, min(ts)"
        " FROM reading WHERE channel_id = %s AND ts >= %s GROUP BY 1)",
        (fresh, channel, START + DAY),
    )
    everything = "SELECT * FROM reading ORDER BY channel_id, ts"
    stored = plant.rows(everything)
    with plant.connection.transaction():
        packed = days.pack_days(
            plant.connection, channel, first - 1, first + 3, known_before=fresh - SECOND
        )
    left = plant.connection.execute(
        "SELECT count(*) FROM reading WHERE channel_id = %s", (channel,)
    ).fetchall()[0][0]
    runs = "SELECT day, days FROM packed_readings ORDER BY 1"
    assert plant.rows(runs) == [(first, 1), (first + 2, 2)]
    assert (packed.days, packed.rows + left) == (3, sum(row[3] == channel for row in stored))
    assert plant.rows("SELECT sum(readings) FROM packed_readings") == [(packed.rows,)]
    unpack_all(plant.connection)
    assert plant.rows(everything) == stored


def test_packed_rows_that_are_not_what_was_packed_are_not_opened(plant: Plant) -> None:
    """A row that is whole by itself, but another day's; and one with a bit turned."""
    channel, other = plant.channels["meter.power"], plant.channels["cems.co2"]
    day = int(START.timestamp()) // 86_400 + 1
    pack_some(plant.connection, random.Random(1))
    plant.connection.execute(
        "UPDATE packed_readings p SET series = o.series, arrival = o.arrival FROM packed_readings o"
        " WHERE p.channel_id = %s AND p.day = %s AND o.channel_id = %s AND o.day = p.day",
        (channel, day, other),
    )
    with (
        pytest.raises(DamagedDayError, match="not what was packed"),
        plant.connection.transaction(),
    ):
        days.open_for_writing(plant.connection, [channel], np.array([day]))
    plant.connection.execute(
        "UPDATE packed_readings SET series = set_byte(series, 40, get_byte(series, 40) # 4)"
    )
    readings = series.StoredReadings(plant.connection)
    minutes = np.array([day * 1440])
    requests = series.SeriesRequests(
        channels=np.array([other]), firsts=minutes, lasts=minutes, before=minutes * 0,
        after=minutes * 0,
    )  # fmt: skip
    with pytest.raises(DamagedDayError, match=f"channel {other} on 2026-03-03 .*checksum"):
        readings.read(requests)
