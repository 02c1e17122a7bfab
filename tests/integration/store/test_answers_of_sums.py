"""Answers that take stored sums are those that hours alone give, in every field."""

# ruff: noqa: S608 - constants

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from services.api.http.intervals import cut, parse
from services.core.store.answers import emissions
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
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


def _of_both(
    plant: Plant, asked: list[tuple[Buckets, Buckets, datetime]]
) -> list[tuple[EmissionColumns, EmissionColumns]]:
    """Answer with what is stored, and once more without any sum."""
    ids = [*plant.sources.values(), 4711]

    async def read(connection: Any) -> list[EmissionColumns]:
        return [
            await emissions.whole_hours(connection, ids, buckets, now=now, days=days)
            for buckets, days, now in asked
        ]

    async def both() -> list[tuple[EmissionColumns, EmissionColumns]]:
        pool = transactions.async_engine(_url(plant), process="test")
        async with pool.connect() as connection:
            with_sums = await read(connection)
            raw = (await connection.get_raw_connection()).driver_connection
            assert isinstance(raw, psycopg.AsyncConnection)
            await raw.execute("TRUNCATE emission_day, emission_month")
            without = await read(connection)
            await connection.rollback()
        await pool.dispose()
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
        pool = transactions.async_engine(_url(plant), process="test")
        async with pool.connect() as connection:
            await emissions.whole_hours(connection, ids, days, now=NOW, days=days)
        await pool.dispose()

    asyncio.run(answer())

    assert len(stored) > 40
    assert [
        (source_id, begins)
        for source_id, begins in stored
        if any(source_id in some and first <= begins < last for some, first, last in read)
    ] == []
    assert any(4711 in some for some, _, _ in read)
