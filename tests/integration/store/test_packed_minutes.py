"""Readers tell the same of minutes, whichever days are packed; what changes one opens its day."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime

import psycopg
import pytest

from services.core.store.database.connect import connect
from services.core.store.emissions.packing import days
from services.core.timeline.instants import DAY, HOUR
from tests.integration.aggregator.plant import Plant, instant, some_readings
from tests.integration.packed import pack_some_minutes, unpack_all_minutes

START = instant("2026-03-02T00:00:00Z")
FIRST_DAY = int(START.timestamp()) // 86_400
ROWS = "SELECT * FROM emission_minute ORDER BY source_id, minute"


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(5), START + 2 * HOUR, 80))
    plant.tick(START + 8 * DAY)
    yield plant
    plant.close()


def test_rows_come_back_as_they_were(plant: Plant) -> None:
    before = plant.rows(ROWS)
    assert len(before) > 5000
    for seed, share in ((1, 0.4), (2, 1.0)):
        assert pack_some_minutes(plant.connection, random.Random(seed), share) > 3
        assert len(plant.rows(ROWS)) < len(before)
        unpack_all_minutes(plant.connection)
        assert plant.rows(ROWS) == before
    assert plant.rows("SELECT count(*) FROM packed_minutes") == [(0,)]


def test_rights_are_no_wider_than_to_pack_and_to_open(plant: Plant, database_url: str) -> None:
    source, day = plant.sources["by-gauge"], FIRST_DAY + 1
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as packer:
        # what a packed row says must be what its rows are
        with pytest.raises(psycopg.errors.SerializationFailure, match="changed"):
            packer.execute("SELECT pack_minutes(%s, %s, 'a', 'b')", (source, day))
        for table in ("emission_minute", "packed_minutes"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                packer.execute(f"DELETE FROM {table}")  # noqa: S608 - named above
        today = int(datetime.now(START.tzinfo).timestamp()) // 86_400
        with pytest.raises(psycopg.errors.RaiseException, match="two days"):
            packer.execute("SELECT pack_minutes(%s, %s, 'a', 'b')", (source, today - 1))
        with packer.transaction():
            assert days.pack(packer, source, day).rows > 100
        ((blob,),) = packer.execute(
            "SELECT minutes FROM packed_minutes WHERE source_id = %s AND day = %s", (source, day)
        ).fetchall()
        assert days.unpacked(source, day, bytes(blob)).is_within(day)
