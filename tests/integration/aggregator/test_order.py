"""Late, duplicate and out-of-order readings give the same totals as ordered ones, to the bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.aggregator.tick import tick
from services.core.store.registry.plan import facility_plans
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
                " coalesce(sum(covered_ms), 0) AS covered_ms,"
                " coalesce(sum(estimated_ms), 0) AS estimated_ms"
                " FROM emission_minute m WHERE m.source_id = h.source_id AND m.minute >= h.hour"
                " AND m.minute < h.hour + interval '1 hour') m ON true"
                " WHERE m.co2_ug <> h.co2_ug OR m.covered_ms <> h.covered_ms"
                " OR m.estimated_ms <> h.estimated_ms"
            )
            == []
        )
        assert (
            plant.rows(
                "SELECT r.source_id, r.span FROM rolling_total r LEFT JOIN LATERAL ("
                " SELECT coalesce(sum(co2_ug), 0) AS co2_ug,"
                " coalesce(sum(covered_ms), 0) AS covered_ms,"
                " coalesce(sum(estimated_ms), 0) AS estimated_ms"
                " FROM emission_minute m WHERE m.source_id = r.source_id"
                " AND m.minute BETWEEN r.since AND r.upto) m ON true"
                " WHERE m.co2_ug <> r.co2_ug OR m.covered_ms <> r.covered_ms"
                " OR m.estimated_ms <> r.estimated_ms"
            )
            == []
        )
    assert len(plant.rows("SELECT 1 FROM rolling_total")) == 8 * len(plant.sources)


_SOME = sorted(some_readings(random.Random(11), START, 1.5), key=lambda r: r.ts)


def _killed_tick(plant: Plant, batch_end: timedelta) -> None:
    """A tick that is cut off before its commit; what follows it is another process."""
    with plant.connection.transaction(force_rollback=True):
        plan = facility_plans(plant.connection)[plant.facility_id]
        tick(plant.connection, plan, START + batch_end)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    order=st.permutations(range(len(_SOME))),
    twice=st.lists(st.integers(0, len(_SOME) - 1), max_size=20),
    cuts=st.sets(st.integers(1, len(_SOME) - 1), max_size=6),
    # after each batch: minutes that pass, whether it is computed now, whether a kill comes first
    turns=st.lists(
        st.tuples(st.integers(0, 150), st.booleans(), st.booleans()), min_size=7, max_size=7
    ),
)
def test_any_permutation_duplication_batching_and_kill_gives_the_same_totals(
    plant: Plant,
    order: list[int],
    twice: list[int],
    cuts: set[int],
    turns: list[tuple[int, bool, bool]],
) -> None:
    plant.empty()
    plant.store(_SOME)
    plant.tick(END)
    expected = plant.totals()
    plant.empty()

    arriving = [_SOME[i] for i in (*order, *twice)]
    edges = [0, *sorted(cuts), len(arriving)]
    passed = timedelta()
    for begin, end, (minutes, computed, killed) in zip(edges, edges[1:], turns, strict=False):
        plant.store(arriving[begin:end])
        passed = min(END - START, passed + timedelta(minutes=minutes))
        if killed:
            _killed_tick(plant, passed)
        if computed:
            plant.tick(START + passed)
    plant.tick(END)

    assert plant.totals() == expected
