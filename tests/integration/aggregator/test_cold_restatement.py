"""What is restated where it lies packed comes to what rows come to, to the microgram."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from services.core.store.database.connect import connect
from tests.integration.aggregator.plant import FILE, Plant, apply_text, instant, some_readings
from tests.integration.packed import pack_some_minutes, unpack_all_minutes

START = instant("2026-03-30T18:00:00Z")
HOURS = 40
LATER = START + timedelta(days=5)
FACTOR = FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,")
#: of all that "by-counter" and "by-gauge" have
CONFIGURATION = FACTOR.replace("kind: counter,", "kind: counter, scale: 2,").replace(
    "kind: gauge, max_gap: 120}", "kind: gauge, max_gap: 120, scale: 3}"
)
CHANGED = ("by-counter", "by-gauge")

MINUTES = "SELECT m::text FROM public.emission_minute m ORDER BY source_id, minute"
PACKED = "SELECT source_id, day, id, digest FROM packed_minutes ORDER BY 1, 2"


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(5), START, HOURS))
    plant.tick(LATER)
    yield plant
    plant.close()


def _totals(plant: Plant) -> list[Any]:
    """All that restatements change, but the instants at which they did."""
    hour = "source_id, hour, version, final, quality, code, reason, co2_ug, co2e_ug, market_ug"
    return [
        plant.rows(f"SELECT {hour}, activity_n FROM {table} ORDER BY 1, 2, 3")  # noqa: S608
        for table in ("emission_hour", "emission_hour_history")
    ] + [plant.totals()["rolling"], plant.rows("SELECT 1 FROM following_minutes WHERE NOT packed")]


def test_minutes_of_packed_days_are_computed_where_they_lie(
    plant: Plant, database_url: str
) -> None:
    """After a new factor, which they only follow; what does not change is not packed anew."""
    plant.connection.execute("UPDATE emission_hour SET final = true")
    with plant.connection.transaction(force_rollback=True):
        apply_text(database_url, FACTOR)
        plant.tick(LATER)
    assert pack_some_minutes(plant.connection, random.Random(1)) > 8
    plant.restart()
    plant.tick(LATER)
    assert plant.rows("SELECT count(*) FROM following_minutes WHERE packed") != [(0,)]
    before = plant.rows(PACKED)
    apply_text(database_url, CONFIGURATION)
    with plant.connection.transaction(force_rollback=True):
        unpack_all_minutes(plant.connection)
        plant.tick(LATER)
        right, minutes = _totals(plant), plant.rows(MINUTES)
    plant.restart()
    plant.tick(LATER)
    assert plant.rows(MINUTES) == []
    after = plant.rows(PACKED)
    assert [row[:2] for row in after] == [row[:2] for row in before]
    ids = {plant.sources[name] for name in CHANGED}
    assert {row[0] for row in set(after) - set(before)} == ids
    assert plant.rows(
        f"SELECT 1 FROM following_minutes WHERE source_id IN {tuple(ids)}"  # noqa: S608
    ) == []  # fmt: skip
    assert _totals(plant) == right
    unpack_all_minutes(plant.connection)
    plant.tick(LATER)
    assert plant.rows(MINUTES) == minutes


def test_no_role_takes_a_minute_out_of_a_packed_day(plant: Plant, database_url: str) -> None:
    pack_some_minutes(plant.connection, random.Random(1))
    replace = """
    SELECT replace_minutes(ARRAY[source_id], ARRAY[day], ARRAY[id + %s], ARRAY[first_minute + %s],
                           ARRAY[last_minute + %s], ARRAY[digest], ARRAY[minutes])
    FROM packed_minutes ORDER BY source_id, day LIMIT 1
    """
    minute = timedelta(minutes=1)
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as role:
        for pack_id, first, last in (
            (1, 0 * minute, 0 * minute),
            (0, minute, 0 * minute),
            (0, 0 * minute, -minute),
            (0, -1440 * minute, 0 * minute),
            (0, 0 * minute, 1440 * minute),
        ):
            with pytest.raises(psycopg.errors.SerializationFailure):
                role.execute(replace, (pack_id, first, last))
        role.execute(replace, (0, 0 * minute, 0 * minute))
    with (
        connect(database_url, process="test", role="tonne_read", autocommit=True) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute(replace, (0, 0 * minute, 0 * minute))
