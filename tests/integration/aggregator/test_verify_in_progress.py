"""A service at work is in keeping with itself: what waits, and says why, is no difference."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from services.aggregator.pieces import Pieces
from services.cli.verify import verified
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator.plant import (
    FILE,
    Plant,
    Reading,
    apply_text,
    batches,
    some_readings,
)
from tests.integration.aggregator.test_verify import END, START


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    yield plant
    plant.close()


def test_a_backlog_and_a_restatement_at_every_tick(plant: Plant, database_url: str) -> None:
    rng = random.Random(11)
    readings = some_readings(rng, START, 5)
    late = [reading for reading in readings if rng.random() < 0.1]
    plant.store([reading for reading in readings if reading not in late])
    ruled.close_all(plant, END)
    assert verified(plant.connection).listed == []
    for batch in batches(rng, late)[:6]:
        plant.store(batch)
    plant.pieces = Pieces(pairs=40, live=200, old=200)
    apply_text(database_url, FILE.replace("kind: gauge, max_gap: 120", "kind: gauge, max_gap: 40"))
    waited, ticks = 0, 0
    plant.restart()
    while plant.tick_once(END + timedelta(minutes=2)).worked:
        ticks += 1
        if ticks % 4 == 1:
            result = verified(plant.connection)
            assert result.listed == []
            waited += result.waiting
    assert ticks > 8
    assert waited > 0
    result = verified(plant.connection, with_versions=True)
    assert (result.listed, result.waiting) == ([], 0)
    assert result.versions > 0


def test_what_is_left_over_waits_since_it_arrived(plant: Plant) -> None:
    """An hour that a tick took a part of before came into force while the rest was waiting."""
    plant.store(some_readings(random.Random(1), START, 3))
    plant.connection.execute("UPDATE touched SET committed_at = now() - interval '10 minutes'")
    plant.pieces = Pieces(live=60, old=60)
    plant.tick_once(END)
    waiting = plant.rows(
        "SELECT step, bool_and(requested_at < now() - interval '9 minutes')"
        " FROM recompute GROUP BY 1"
    )
    assert waiting == [("rest", True)]


def test_a_configuration_that_is_taken_back_before_it_counted(
    plant: Plant, database_url: str
) -> None:
    """An hour that is right by the configuration in force, though it is known since another."""
    # a gap of 90 s, which the shorter max_gap would leave open
    times = [START + timedelta(seconds=30 * i) for i in range(120) if i not in {41, 42}]
    plant.store([Reading("meter.power", ts, 300.0) for ts in times])
    ruled.close_all(plant, END)
    apply_text(database_url, FILE.replace("kind: gauge, max_gap: 120", "kind: gauge, max_gap: 40"))
    plant.restart()
    plant.store([Reading("meter.power", START + timedelta(minutes=50, seconds=15), 400.0)])
    # what arrived is computed before what is queued
    plant.tick_once(END + timedelta(minutes=2))
    assert plant.rows("SELECT count(*) FROM emission_hour WHERE version = 2") == [(1,)]
    apply_text(database_url, FILE)
    plant.tick(END + timedelta(minutes=3))
    assert plant.rows("SELECT 1 FROM recompute") == []
    assert verified(plant.connection).listed == []
