"""Readers tell the same of minutes, whichever days are packed; what changes one opens its day."""

# ruff: noqa: PERF401, S608 - one answer after the other, each on a line of its own; constants

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest

from services.aggregator.packing import Packing
from services.core.store.alerts import watch_series
from services.core.store.answers import emissions
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.chart_annotations import chart_annotations
from services.core.store.answers.explain import explain_hour
from services.core.store.answers.live import facility_live
from services.core.store.computation import hours_then, minutes_as_known
from services.core.store.database.connect import connect
from services.core.store.database.transactions import reading_pool
from services.core.store.emissions import (
    claims,
    factor_restatement,
    final_hours,
    minute_history,
    stored_minutes,
    window_advance,
)
from services.core.store.emissions.packing import days
from services.core.store.emissions.window_checks import windows_against_minutes
from services.core.store.registry.plan import facility_plans
from services.core.store.schema.figures import FIGURES, MASSES, per_figure
from services.core.timeline import windows
from services.core.timeline.instants import DAY, DAY_MINUTES, HOUR, MINUTE
from services.core.timeline.intervals import Interval
from tests.integration.aggregator.plant import Plant, instant, some_readings
from tests.integration.packed import pack_some_minutes, unpack_all_minutes

START = instant("2026-03-02T00:00:00Z")
FIRST_DAY = int(START.timestamp()) // 86_400
FIRST = FIRST_DAY * DAY_MINUTES
ROWS = "SELECT * FROM emission_minute ORDER BY source_id, minute"
ROLLING = "SELECT * FROM rolling_total ORDER BY source_id, span"


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(5), START + 2 * HOUR, 80))
    plant.tick(START + 8 * DAY)
    yield plant
    plant.close()


def _buckets(first: datetime, count: int, length: timedelta) -> Buckets:
    return Buckets.between([first + n * length for n in range(count + 1)])


def _aggregators(
    plant: Plant, connection: psycopg.Connection[Any], known_at: datetime
) -> list[Any]:
    """What whoever holds the facility is told."""
    told: list[Any] = []
    ids = sorted(plant.sources.values())
    sources = watch_series.Sources(ids)
    for first, last in ((FIRST + 100, FIRST + 101), (FIRST + 1400, FIRST + 3000)):
        rows = watch_series.minutes(
            connection, sources, "co2e", [(first, last), (last + 9, last + 99)]
        )
        told.append(sorted(rows.tolist()))
        told.append(
            [c.tolist() for c in watch_series.sums(connection, sources, "co2", first, last)]
        )
    for minute in (200, 1445, 5000):
        before = watch_series.known_before(
            connection, "market", dict.fromkeys(ids, FIRST - 9000), FIRST + minute
        )
        told.append(sorted(before.tolist()))
    for source_id in ids:
        stored = stored_minutes.read(connection, source_id, FIRST // 60, FIRST // 60 + 95)
        told.append({name: column.tolist() for name, column in stored.figures.items()})
        told.append(final_hours.bounds(connection, source_id, None, None))
        told.append(windows_against_minutes(connection, source_id))
    amounts = factor_restatement.amounts(connection, ids[:3], FIRST + 60, FIRST + 4000)
    told.append(sorted(zip(amounts.source.tolist(), amounts.minute.tolist(),
                           amounts.activity.tolist(), strict=True)))  # fmt: skip
    told.append((sorted(zip(*(c.tolist() for c in amounts.closing), strict=True)), amounts.unknown))
    hours = [(ids[0], FIRST + 60 * n) for n in (5, 30, 31)]
    told.append(sorted(factor_restatement.minutes_in_force(connection, hours).items()))
    known = minutes_as_known.sources(connection, ids)[ids[1]]
    told.append(repr(hours_then.hour_minutes(
        connection, known, {FIRST // 60 + 7, FIRST // 60 + 40}, known_at)))  # fmt: skip
    return told


def test_years_are_added_up_and_not_opened(plant: Plant) -> None:
    """A total is of all that is known, no more than an array of int64 holds of it."""
    connection, ids = plant.connection, sorted(plant.sources.values())
    sources = watch_series.Sources(ids)

    def year() -> list[list[int]]:
        with connection.transaction():
            arrays = watch_series.sums(connection, sources, "co2", FIRST - 9000, FIRST + 9000)
            assert plant.rows("SELECT to_regclass('pg_temp.opened_day')") == [(None,)]
            return [array.tolist() for array in arrays]

    most = 9 * 10**18
    connection.execute(
        "UPDATE emission_minute SET co2_ug = %s WHERE source_id = %s", (most, ids[0])
    )
    expected = year()
    assert expected[0][0] == most
    assert all(expected[1])
    for share in (0.5, 1.0):
        assert pack_some_minutes(connection, random.Random(1), share) > 3
        assert year() == expected


async def test_no_packed_day_is_looked_for_where_there_is_none(
    plant: Plant, database_url: str
) -> None:
    pool = reading_pool(database_url, process="api", connections=1)

    async def may_be_packed(since: datetime) -> bool:
        async with (
            pool.connect() as connection,
            minute_history.snapshot_since(connection, since) as may_be,
        ):
            return may_be

    try:
        assert not await may_be_packed(START)
        pack_some_minutes(plant.connection, random.Random(1))
        assert await may_be_packed(START)
        assert not await may_be_packed(START + 9 * DAY)
        assert not await may_be_packed(datetime.now(UTC))
    finally:
        await pool.dispose()
    # what is young asks the database nothing
    plant.connection.close()
    young = Interval(start=int(datetime.now(UTC).timestamp()) // 60 - 1400, end=2**31)
    minute_history.open_intervals(plant.connection, list(plant.sources.values()), [young])


def _columns(answer: Any) -> Any:
    """Arrays as lists, which compare as a whole."""
    if isinstance(answer, np.ndarray):
        return answer.tolist()
    if isinstance(answer, dict):
        return {name: _columns(column) for name, column in answer.items()}
    if is_dataclass(answer):
        return {field.name: _columns(getattr(answer, field.name)) for field in fields(answer)}
    return answer


async def _people(plant: Plant, url: str, known: datetime) -> list[Any]:
    """What the API is told."""
    told: list[Any] = []
    ids = sorted(plant.sources.values())
    pool = reading_pool(url, process="api", connections=1)
    try:
        async with pool.connect() as connection:
            now = START + 8 * DAY
            for moved in (timedelta(0), 3 * MINUTE, 2 * DAY, 27 * DAY, 200 * DAY):
                told.append(await facility_live(connection, "works", now=now + moved))
            parts = _buckets(START + DAY - 30 * MINUTE, 9, 15 * MINUTE)
            answer = await emissions.parts_of_hours(connection, ids, parts, now=now)
            told.append(_columns(answer))
            whole = _buckets(START - 30 * MINUTE, 4, DAY)
            answer = await emissions.days_of_minutes(connection, ids, whole, now=now)
            told.append(_columns(answer))
            told.append(await chart_annotations(
                connection, [plant.facility_id], begins=START, ends=START + 3 * DAY,
                kinds=["gap"], open_gaps=[], limit=1000,
            ))  # fmt: skip
    finally:
        await pool.dispose()
    with connect(url, process="api", role="tonne_read", autocommit=True) as reader:
        for source in ("by-gauge", "stack"):
            for hour in (START + 5 * HOUR, START + 47 * HOUR):
                for past in (False, True):
                    told.append(explain_hour(
                        reader, facility="works", source=source, hour=hour,
                        as_of=known, past=past,
                    ))  # fmt: skip
    return told


def _everything(plant: Plant, url: str, now: datetime) -> list[Any]:
    with connect(url, process="aggregator", role="tonne_aggregate", autocommit=True) as connection:
        with connection.transaction():
            claims.lock(connection, plant.facility_id)
            told = _aggregators(plant, connection, now)
        # nothing that one transaction opened is seen in the next
        with connection.transaction():
            claims.lock(connection, plant.facility_id)
            assert _aggregators(plant, connection, now) == told
    return [*told, *asyncio.run(_people(plant, url, now))]


def test_every_reader_tells_the_same_whatever_is_packed(plant: Plant, database_url: str) -> None:
    known = datetime.now(UTC)
    expected = _everything(plant, database_url, known)
    for seed, share in ((1, 0.4), (2, 0.4), (3, 1.0)):
        assert pack_some_minutes(plant.connection, random.Random(seed), share) > 3
        for told, right in zip(_everything(plant, database_url, known), expected, strict=True):
            assert told == right
        if share < 1:
            unpack_all_minutes(plant.connection)
    assert plant.rows("SELECT count(*) FROM emission_minute") == [(0,)]


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_windows_move_over_packed_days_and_begin_in_them(plant: Plant, share: float) -> None:
    """A window of a year loses what is packed, and one that begins anew adds it up."""
    connection, ids = plant.connection, sorted(plant.sources.values())
    zone = ZoneInfo("Europe/Vienna")

    def move() -> list[list[tuple[Any, ...]]]:
        rows = []
        with connection.transaction(force_rollback=True):
            claims.lock(connection, plant.facility_id)
            for minutes in (1, 61, 1500, 3000, 364 * DAY_MINUTES, 1, 999, 1441):
                nonlocal_through[0] += minutes * MINUTE
                through = nonlocal_through[0]
                since = windows.first_minutes(through, zone)
                window_advance.advance(connection, ids, since, through)
                rows.append(connection.execute(ROLLING).fetchall())
            connection.execute("DELETE FROM rolling_total WHERE span IN ('365d', '24h')")
            back = START + 3 * DAY
            since = windows.first_minutes(back, zone)
            window_advance.advance(connection, ids, since, back)
            rows.append(connection.execute(ROLLING).fetchall())
        return rows

    nonlocal_through = [START + 8 * DAY]
    expected = move()
    assert pack_some_minutes(connection, random.Random(2), share) > 3
    nonlocal_through = [START + 8 * DAY]
    assert move() == expected


def test_days_in_which_windows_begin_are_rows(plant: Plant, database_url: str) -> None:
    """They are opened a day ahead, and packed when the window has passed."""
    connection = plant.connection
    connection.execute("UPDATE emission_hour SET final = true, known_at = hour")
    with connect(database_url, process="aggregator", role="tonne_aggregate", autocommit=True) as c:

        def packed_days(window_begins: datetime) -> set[int]:
            connection.execute("UPDATE rolling_total SET since = %s", (window_begins,))
            packing = Packing(35)
            while packing.step(c, START + 80 * DAY, plans=facility_plans(c)):
                pass
            assert packing.notices() == []
            return {day for (day,) in plant.rows("SELECT DISTINCT day FROM packed_minutes")}

        every = set(range(FIRST_DAY, FIRST_DAY + 4))
        assert packed_days(START - 3 * DAY) == every
        assert packed_days(START + DAY - MINUTE) == every - {FIRST_DAY, FIRST_DAY + 1}
        assert packed_days(START + DAY) == every - {FIRST_DAY + 1, FIRST_DAY + 2}
        assert packed_days(START + 9 * DAY) == every


def test_rows_come_back_as_they_were(plant: Plant) -> None:
    before = plant.rows(ROWS)
    assert len(before) > 5000
    for seed, share in ((1, 0.4), (2, 1.0)):
        assert pack_some_minutes(plant.connection, random.Random(seed), share) > 3
        assert len(plant.rows(ROWS)) < len(before)
        unpack_all_minutes(plant.connection)
        assert plant.rows(ROWS) == before
    assert plant.rows("SELECT count(*) FROM packed_minutes") == [(0,)]


def test_a_packed_day_tells_the_masses_of_a_new_factor_as_its_rows_do(plant: Plant) -> None:
    pack_some_minutes(plant.connection, random.Random(3))
    source_id = plant.sources["by-gauge"]
    first, stop = FIRST + DAY_MINUTES + 100, FIRST + DAY_MINUTES + 900
    # other masses in each of the columns that were equal, or all 0, when the day was packed
    per_unit = ", ".join(f"'{{{0.5 + n}}}'::float8[]" for n in range(len(MASSES)))
    plant.connection.execute(
        "INSERT INTO following_minutes (facility_id, source_id, begins, ends, packed,"
        f" {per_figure(MASSES, '{f.in_kg}')})"
        f" SELECT %s, %s, minute_start(%s), minute_start(%s), true, {per_unit}",
        (plant.facility_id, source_id, first, stop),
    )
    packed = minute_history.packed(
        plant.connection, [source_id], FIRST + DAY_MINUTES, FIRST + 2 * DAY_MINUTES
    ).minutes
    columns = [packed.minute, *(packed.figures[f.name] for f in FIGURES)]
    unpack_all_minutes(plant.connection)
    plant.connection.execute("UPDATE following_minutes SET packed = false")
    rows = plant.rows(
        f"SELECT minute_of(minute), {per_figure(FIGURES, 'coalesce({f}, 0)')} FROM minute_in_force"
        f" WHERE source_id = {source_id} AND minute >= minute_start({FIRST + DAY_MINUTES})"
        f" AND minute < minute_start({FIRST + 2 * DAY_MINUTES}) ORDER BY 1"
    )
    assert len({row[1 : 1 + len(MASSES)] for row in rows}) > 2
    assert rows == list(zip(*(column.tolist() for column in columns), strict=True))


def test_rights_are_no_wider_than_to_pack_and_to_open(plant: Plant, database_url: str) -> None:
    source, day = plant.sources["by-gauge"], FIRST_DAY + 1
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as packer:
        # what a packed row says must be what its rows are
        with pytest.raises(psycopg.errors.SerializationFailure, match="changed"):
            packer.execute("SELECT pack_minutes(%s, %s, 'a', 'b')", (source, day))
        for table in ("emission_minute", "packed_minutes"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                packer.execute(f"DELETE FROM {table}")
        today = int(datetime.now(START.tzinfo).timestamp()) // 86_400
        with pytest.raises(psycopg.errors.RaiseException, match="two days"):
            packer.execute("SELECT pack_minutes(%s, %s, 'a', 'b')", (source, today - 1))
        with packer.transaction():
            assert days.pack(packer, source, day).rows > 100
        ((blob,),) = packer.execute(
            "SELECT minutes FROM packed_minutes WHERE source_id = %s AND day = %s", (source, day)
        ).fetchall()
        assert days.unpacked(source, day, bytes(blob)).is_within(day)
