"""A facility that is always busy holds up no other: turns by what they cost, on a set clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.aggregator import tick as ticking
from services.aggregator.pieces import Pieces
from services.core.store.database.connect import connect
from tests.integration.aggregator.looping import loop_over
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant
from tests.integration.aggregator.set_time import SetTime

START = instant("2026-06-15T09:00:00Z")
QUIET = ("a", "b", "c", "d")

#: Seconds that a tick takes by the test's clock.
BUSY_S, QUIET_S = 1.0, 0.02

_FILE = """
facility: {{id: {0}, name: {0}, timezone: UTC}}
devices:
  - id: {0}-m
    channels: [{{id: e, quantity: energy, unit: kWh, kind: counter}}]
factors: [{{id: f, unit: kWh, co2_kg: 0.25, citation: a}}]
sources: [{{id: s, scope: 2, method: activity, input: {0}-m.e, factor: f}}]
"""


class Costs:
    """A monotonic clock that moves by what ticks cost."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.busy_ticks = 0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Costs:
    made, real = Costs(), ticking.tick

    def tick(connection: Any, plan: Any, now: Any, recent: Any, pieces: Any, **turn: bool) -> Any:
        busy = plan.slug == "busy"
        # little real work, whatever it is said to cost
        done = real(connection, plan, now, recent, Pieces(old=120) if busy else pieces, **turn)
        made.now_s += BUSY_S if busy else QUIET_S
        made.busy_ticks += busy
        return done

    monkeypatch.setattr("services.aggregator.loop.tick", tick)
    monkeypatch.setattr("services.aggregator.loop._LEAVE_S", 0.0)
    return made


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    for name in QUIET:
        apply_text(database_url, _FILE.format(name))
    plant = Plant(database_url, _FILE.format("busy"))
    yield plant
    plant.close()


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as made:
        yield made


def test_a_reading_waits_for_one_turn_of_the_busy_one_at_most(
    plant: Plant, connection: psycopg.Connection[Any], costs: Costs, database_url: str
) -> None:
    clock = SetTime(START)
    loop = loop_over(database_url, clock, monotonic=costs)
    facilities = dict(plant.rows("SELECT slug, id FROM facility"))
    plant.facility_id = facilities["busy"]
    plant.store(
        [
            Reading("busy-m.e", datetime(2000, 1, 1, tzinfo=UTC), 1.0),
            Reading("busy-m.e", START, 2.0),
        ]
    )
    waits, busy_before = [], costs.busy_ticks
    for k in range(12):
        clock.instant = START + timedelta(seconds=k)
        for name in QUIET:
            plant.facility_id = facilities[name]
            plant.store([Reading(f"{name}-m.e", clock.instant, 100.0 + k)])
        came_s, busy_before = costs.now_s, costs.busy_ticks
        while plant.rows("SELECT 1 FROM touched"):
            if not loop.run_once(connection):
                # the loop would wait for so long
                costs.now_s += 0.1
        waits.append(costs.now_s - came_s)
        # and it gets its turns too
        loop.run_once(connection)
        assert costs.busy_ticks > busy_before
    # a facility is ticked once in 0.5 s
    assert max(waits[1:]) <= BUSY_S + 0.5 + 0.1 + len(QUIET) * QUIET_S
    assert plant.rows("SELECT count(*) FROM recompute WHERE step = 'rest'") == [(1,)]
