"""Late, duplicate and out-of-order readings give the same totals as ordered ones, to the bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.integration.aggregator.plant import Plant, batches, instant, some_readings

START = instant("2026-03-28T20:17:00+01:00")
END = START + timedelta(hours=9)
"""Across the night in which Vienna's clocks go forward."""


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    yield plant
    plant.close()


@pytest.mark.parametrize("seed", range(6))
def test_any_order_batching_and_duplication_gives_the_same_totals(plant: Plant, seed: int) -> None:
    rng = random.Random(seed)
    readings = some_readings(rng, START, 8)
    plant.store(sorted(readings, key=lambda r: r.ts))
    plant.tick(END)
    expected = plant.totals()
    assert len(expected["minutes"]) > 500
    plant.empty()

    now = START
    for batch in batches(rng, readings):
        plant.store(batch)
        # readings arrive while time passes, and before the minutes they hold into have begun
        now = min(END, now + timedelta(minutes=rng.choice([0, 1, 7, 90])))
        plant.tick(now)
    while now < END:
        now = min(END, now + timedelta(minutes=rng.choice([1, 30, 120])))
        plant.tick(now)

    assert plant.totals() == expected


def test_live_readings_and_time_passing_give_the_same_totals_as_history(plant: Plant) -> None:
    rng = random.Random(77)
    readings = sorted(some_readings(rng, START, 2), key=lambda r: r.ts)
    plant.store(readings)
    plant.tick(END)
    expected = plant.totals()
    plant.empty()

    for i in range(0, len(readings), 5):
        batch = readings[i : i + 5]
        plant.store(batch)
        plant.tick(batch[-1].ts + timedelta(seconds=1))
    plant.tick(END)

    assert plant.totals() == expected


def test_hours_and_windows_are_the_sums_of_their_minutes(plant: Plant) -> None:
    rng = random.Random(5)
    readings = some_readings(rng, START, 8)
    now = START
    for batch in batches(rng, readings):
        plant.store(batch)
        now += timedelta(minutes=rng.choice([1, 35]))
        plant.tick(now)
        assert (
            plant.rows(
                "SELECT h.source_id, h.hour FROM emission_hour h LEFT JOIN LATERAL ("
                " SELECT coalesce(sum(co2_ug), 0) AS co2_ug,"
                " coalesce(sum(covered_ms), 0) AS covered_ms"
                " FROM emission_minute m WHERE m.source_id = h.source_id AND m.minute >= h.hour"
                " AND m.minute < h.hour + interval '1 hour') m ON true"
                " WHERE m.co2_ug <> h.co2_ug OR m.covered_ms <> h.covered_ms"
            )
            == []
        )
        assert (
            plant.rows(
                "SELECT r.source_id, r.span FROM rolling_total r LEFT JOIN LATERAL ("
                " SELECT coalesce(sum(co2_ug), 0) AS co2_ug,"
                " coalesce(sum(covered_ms), 0) AS covered_ms"
                " FROM emission_minute m WHERE m.source_id = r.source_id"
                " AND m.minute BETWEEN r.since AND r.upto) m ON true"
                " WHERE m.co2_ug <> r.co2_ug OR m.covered_ms <> r.covered_ms"
            )
            == []
        )
    assert len(plant.rows("SELECT 1 FROM rolling_total")) == 8 * len(plant.sources)
