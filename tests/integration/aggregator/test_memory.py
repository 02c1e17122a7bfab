"""What a piece of work may take of the memory, as the page on sizing states it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.aggregator.pieces import Pieces
from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.integration.aggregator.test_pieces import METER, Computed

pytestmark = pytest.mark.database

NOW = instant("2026-06-15T09:30:00Z")

#: ``deploy/docs/operate/sizing.md``
A_MINUTE = 1000
A_READING = 250
BESIDE = 5_000_000


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, METER)
    # more than a tick begins with
    plant.pieces = Pieces(old=40_000)
    yield plant
    plant.close()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Computed:
    return Computed(monkeypatch)


def peak_bytes(plant: Plant, now: datetime) -> int:
    """What a tick takes at most beyond what there was before."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        plant.tick_once(now)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def stays_within(
    plant: Plant, computed: Computed, *, ticks: int, readings_a_minute: int = 1
) -> None:
    for _ in range(ticks):
        before = len(computed.minutes)
        peak = peak_bytes(plant, NOW)
        minutes = sum(computed.minutes[before:])
        assert peak < (A_MINUTE + A_READING * readings_a_minute) * minutes + BESIDE


def store(plant: Plant, since: datetime, *, step: timedelta, count: int) -> None:
    """A back-fill of the register: a reading each ``step``."""
    plant.connection.execute(
        "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
        " SELECT %s, %s + k * %s, k * 0.01, 0, now(), 0 FROM generate_series(0, %s) k",
        (plant.channels["meter.energy"], since, step, count - 1),
    )
    plant.connection.execute(
        "INSERT INTO touched (facility_id, channel_ids, minutes)"
        " SELECT %s, array_agg(%s::int4), array_agg(minute) FROM ("
        " SELECT DISTINCT (extract(epoch FROM %s + k * %s) / 60)::int4 AS minute"
        " FROM generate_series(0, %s) k) q GROUP BY minute / 10000",
        (plant.facility_id, plant.channels["meter.energy"], since, step, count - 1),
    )


def test_a_step_of_years(plant: Plant, computed: Computed) -> None:
    plant.store(
        [
            Reading("meter.energy", datetime(2000, 1, 1, tzinfo=UTC), 427.7),
            Reading("meter.energy", NOW, 427.8),
        ]
    )
    stays_within(plant, computed, ticks=4)
    assert max(computed.minutes) > 39_000


def test_a_long_back_fill(plant: Plant, computed: Computed) -> None:
    store(plant, NOW - timedelta(days=400), step=timedelta(minutes=15), count=400 * 96)
    stays_within(plant, computed, ticks=8)
    assert max(computed.minutes) > 39_000


def test_a_back_fill_of_a_reading_a_second(plant: Plant, computed: Computed) -> None:
    store(plant, NOW - timedelta(days=20), step=timedelta(seconds=1), count=4 * 86_400)
    stays_within(plant, computed, ticks=3, readings_a_minute=60)
    assert max(computed.minutes) > 4 * 1440
