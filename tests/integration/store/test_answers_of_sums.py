"""Answers that take stored sums are those that hours alone give, in every field."""

# ruff: noqa: S608 - constants

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.http.intervals import cut, parse
from services.core.store.answers import emissions
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.newest_hours import sums_and_newest_hours
from services.core.store.database import transactions
from tests.integration.aggregator.plant import Plant
from tests.integration.aggregator.test_summing import FIRST, HOUR, NOW, _store_hours, _sum
from tests.services import Postgres


@pytest.fixture(scope="module")
def plant(postgres_cluster: Postgres, migrated_template: str) -> Iterator[Plant]:
    """Seven weeks of hours of every kind, with their sums."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url)
        _store_hours(plant.connection)
        _sum(plant.connection)
        yield plant
        plant.close()


def _url(plant: Plant) -> str:
    info = plant.connection.info
    return f"postgresql://{info.user}@{info.host}:{info.port}/{info.dbname}"


@asynccontextmanager
async def _reading(plant: Plant) -> AsyncIterator[AsyncConnection]:
    pool = transactions.reading_pool(_url(plant), process="test", connections=1)
    async with pool.connect() as connection:
        yield connection
    await pool.dispose()


def _of_both(
    plant: Plant, asked: list[tuple[Buckets, Buckets, datetime]]
) -> list[tuple[EmissionColumns, EmissionColumns]]:
    """Answer with what is stored, and once more of hours alone."""
    ids = [*plant.sources.values(), 4711]

    async def read(connection: Any, *, of_sums: bool) -> list[EmissionColumns]:
        return [
            await emissions.whole_hours(
                connection, ids, buckets, now=now, days=days if of_sums else None
            )
            for buckets, days, now in asked
        ]

    async def both() -> list[tuple[EmissionColumns, EmissionColumns]]:
        async with _reading(plant) as connection:
            with_sums = await read(connection, of_sums=True)
            without = await read(connection, of_sums=False)
        return list(zip(with_sums, without, strict=True))

    return asyncio.run(both())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.tolist() == other.tolist()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return bool(one == other)


def _differing(one: EmissionColumns, other: EmissionColumns) -> list[str]:
    return [f.name for f in fields(one) if not _same(getattr(one, f.name), getattr(other, f.name))]


@pytest.mark.parametrize("seed", range(3))
def test_answers_made_of_sums_are_those_made_of_hours(plant: Plant, seed: int) -> None:
    rng = random.Random(seed)
    some = f"hour > '{FIRST + rng.randrange(800) * HOUR}' AND random() < {rng.choice([0.001, 0.3])}"
    for statement in rng.sample(
        [
            f"UPDATE emission_hour SET co2_ug = co2_ug + 1, version = version + 1 WHERE {some}",
            f"UPDATE emission_hour SET quality = 'partial', code = NULL WHERE {some}",
            f"UPDATE emission_hour SET market_ug = 9e18 WHERE {some}",
            f"UPDATE emission_hour SET final = NOT final WHERE {some}",
            f"UPDATE emission_hour SET activity_n = NULL WHERE {some}",
            f"DELETE FROM emission_hour WHERE {some}",
        ],
        3,
    ):
        plant.connection.execute(statement)
        if rng.random() < 0.5:
            _sum(plant.connection)
    asked = []
    for interval in ("1d", "1w", "1mo", "2mo", "1y", "3d"):
        begins = FIRST + rng.randrange(-100, 900) * HOUR
        ends = min(begins + rng.randrange(100, 1500) * HOUR, NOW + 100 * HOUR)
        zone = rng.choice(["Europe/Vienna", "Europe/Vienna", "UTC", "Asia/Tokyo"])
        buckets = cut(parse(interval), begins, ends, timezone=zone, limit=2000)
        now = rng.choice([NOW, NOW + timedelta(days=9, minutes=17)])
        days = cut(parse("1d"), buckets[0].begins, buckets[-1].ends, timezone=zone, limit=2000)
        asked.append((buckets, days, now))
    for (buckets, _, now), (one, other) in zip(asked, _of_both(plant, asked), strict=True):
        assert _differing(one, other) == [], (buckets[0], buckets[-1], now)


def test_hours_of_a_source_are_read_only_where_it_has_no_sum(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sum(plant.connection)
    stored = plant.connection.execute("SELECT source_id, begins FROM emission_day").fetchall()
    read: list[tuple[list[int], datetime, datetime]] = []
    hour_columns = emissions.hour_columns

    async def noted(
        connection: Any, ids: list[int], first: datetime, last: datetime, **options: Any
    ) -> Any:
        read.append((ids, first, last))
        return await hour_columns(connection, ids, first, last, **options)

    monkeypatch.setattr(emissions, "hour_columns", noted)
    # the last source never had an hour: each day lacks one of its sums
    ids = [*plant.sources.values(), 4711]
    days = cut(parse("1d"), FIRST - 99 * HOUR, NOW, timezone="Europe/Vienna", limit=2000)

    async def answer() -> None:
        async with _reading(plant) as connection:
            await emissions.whole_hours(connection, ids, days, now=NOW, days=days)

    asyncio.run(answer())

    assert len(stored) > 40
    assert [
        (source_id, begins)
        for source_id, begins in stored
        if any(source_id in some and first <= begins < last for some, first, last in read)
    ] == []
    assert any(4711 in some for some, _, _ in read)


def test_what_moves_to_another_hour_meanwhile_is_counted_once(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sum(plant.connection)
    row = plant.connection.execute(
        "SELECT h.source_id, min(h.hour), max(h.hour) FROM emission_hour h"
        " JOIN emission_day d ON d.source_id = h.source_id AND h.hour >= d.begins"
        " AND h.hour < d.ends WHERE h.quality = 'measured' AND h.covered_ms = 3600000"
        " GROUP BY 1 ORDER BY 1 LIMIT 1"
    ).fetchone()
    assert row is not None
    source_id, summed, other = row
    # of the one hour the answer takes a sum, and the other it reads
    plant.connection.execute("DELETE FROM emission_month")
    plant.connection.execute(
        "DELETE FROM emission_day WHERE source_id = %s AND ends > %s", (source_id, other)
    )
    days = cut(parse("1d"), FIRST, NOW, timezone="Europe/Vienna", limit=2000)
    hour_columns = emissions.hour_columns

    async def moved(*asked: Any, **options: Any) -> Any:
        plant.connection.execute(
            "UPDATE emission_hour SET co2_ug = co2_ug + CASE hour WHEN %s THEN -5000 ELSE 5000 END"
            " WHERE source_id = %s AND hour IN (%s, %s)",
            (summed, source_id, summed, other),
        )
        return await hour_columns(*asked, **options)

    async def total_ug() -> int:
        async with _reading(plant) as connection:
            answer = await emissions.whole_hours(connection, [source_id], days, now=NOW, days=days)
        return sum(answer.masses_ug["co2_ug"].tolist())

    right_ug = asyncio.run(total_ug())
    monkeypatch.setattr(emissions, "hour_columns", moved)
    assert asyncio.run(total_ug()) == right_ug


def test_one_statement_reads_sums_and_the_hours_after_them(plant: Plant) -> None:
    plant.connection.execute("UPDATE emission_hour SET final = hour < %s", (NOW - 30 * HOUR,))
    plant.connection.execute("UPDATE emission_hour SET market_ug = co2_ug")
    _sum(plant.connection)
    # the last source never had an hour
    ids = [*plant.sources.values(), 4711]
    zone = "Europe/Vienna"

    async def is_enough(interval: str, last: datetime) -> bool:
        buckets = cut(parse(interval), FIRST - 99 * HOUR, last, timezone=zone, limit=2000)
        days = cut(parse("1d"), buckets[0].begins, buckets[-1].ends, timezone=zone, limit=2000)
        async with _reading(plant) as connection:
            read = await sums_and_newest_hours(connection, ids, buckets, days, now=NOW)
        return read is not None

    for interval in ("1d", "1mo"):
        assert asyncio.run(is_enough(interval, NOW))
    gone = plant.connection.execute(
        "DELETE FROM emission_day WHERE begins = (SELECT begins FROM emission_day ORDER BY begins"
        " OFFSET 20 LIMIT 1)"
    )
    assert gone.rowcount
    assert not asyncio.run(is_enough("1d", NOW))
    plant.connection.execute("DELETE FROM emission_day")
    assert not asyncio.run(is_enough("1d", NOW))
