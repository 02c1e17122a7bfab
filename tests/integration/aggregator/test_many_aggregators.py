"""Several aggregators share the facilities: one works on each, and another takes over in time."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.aggregator.tick import tick
from services.core.store.database.connect import connect
from services.core.store.emissions import claims, facility_progress
from services.core.store.registry.plan import facility_plans
from tests.e2e.stack import ForkedService, Service
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant
from tests.patience import until
from tests.services import as_login

START = instant("2026-06-01T10:00:00Z")

_HOLDER = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
_TURNS = "SELECT count(*) FROM process_progress WHERE process = 'aggregator' AND instance LIKE %s"

Start = Callable[[str], Service]


@pytest.fixture
def plant(database_url: str, request: pytest.FixtureRequest) -> Iterator[Plant]:
    """The plant of the facility file that a test is parametrized with, or the common one."""
    plant = Plant(database_url, getattr(request, "param", FILE))
    yield plant
    plant.close()


@pytest.fixture
def start(plant: Plant, database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts an aggregator, which needs to know the database and nothing else."""

    def turns(pid: int) -> bool:
        row = plant.connection.execute(_TURNS, (f"%:{pid}",)).fetchone()
        return bool(row and row[0])

    with ExitStack() as ending:

        def started(name: str) -> Service:
            service = ForkedService(
                tmp_path / name,
                "aggregate",
                {"TONNE_DATABASE_URL": as_login(database_url, "tonne_aggregate")},
                turns,
            )
            ending.callback(service.kill)
            service.start()
            return service

        yield started


def _registers(plant: Plant, first: float) -> None:
    plant.store(
        [
            Reading("meter.energy", START + timedelta(minutes=first + k), 100.0 + first + k)
            for k in range(5)
        ]
    )
    plant.connection.execute("SELECT pg_notify('tonne_touched', %s)", (str(plant.facility_id),))


def _computed(plant: Plant) -> bool:
    return not plant.rows("SELECT 1 FROM touched") and bool(
        plant.rows("SELECT 1 FROM emission_minute")
    )


def _holder(plant: Plant) -> int | None:
    row = plant.connection.execute(_HOLDER, (plant.facility_id,)).fetchone()
    return row[0] if row else None


@contextmanager
def _minutes_cannot_be_written(url: str) -> Iterator[None]:
    with connect(url, process="test") as connection:
        connection.execute("LOCK TABLE emission_minute IN SHARE ROW EXCLUSIVE MODE")
        yield


def test_another_takes_over_when_one_is_killed_in_a_query(
    plant: Plant, database_url: str, start: Start
) -> None:
    first = start("first")
    with _minutes_cannot_be_written(database_url):
        _registers(plant, 0)
        held_by = until(lambda: _holder(plant), "the first aggregator has the facility")
        start("second")
        first.kill()
        until(lambda: _holder(plant) not in {None, held_by}, "another has it")
    until(lambda: _computed(plant), "what was touched is computed")


def test_another_takes_over_when_one_stands_still_which_goes_on_later(
    plant: Plant, database_url: str, start: Start
) -> None:
    first = start("first")
    with _minutes_cannot_be_written(database_url):
        _registers(plant, 0)
        until(lambda: _holder(plant), "the first aggregator has the facility")
        start("second")
        os.kill(first.pid, signal.SIGSTOP)
    try:
        until(lambda: _computed(plant), "what was touched is computed")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    plant.connection.execute("DELETE FROM process_progress")
    until(first.answers, "the first turns again")
    _registers(plant, 5)
    until(lambda: _computed(plant), "what came later is computed")


FACTOR = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels: [{id: hourly, quantity: energy, unit: kWh, kind: interval, length: 1h, stamp: start}]
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: meter.hourly, factor: f}]
"""
#: in three chunks of minutes and so in three steps of a restatement
HOURS = 24 * 57


@contextmanager
def _no_hour_can_be_restated(url: str) -> Iterator[Callable[[], None]]:
    """But one step's, each time that what it yields is called."""
    with ExitStack() as ending:

        def waiting() -> psycopg.Connection[Any]:
            return ending.enter_context(connect(url, process="test"))

        def hold(connection: psycopg.Connection[Any]) -> None:
            connection.execute("LOCK TABLE emission_hour_history IN SHARE ROW EXCLUSIVE MODE")

        holders = [waiting()]
        hold(holders[0])

        def let_one_pass() -> None:
            # stands in the queue behind the step that waits
            holders.append(waiting())
            thread = threading.Thread(target=hold, args=(holders[-1],))
            thread.start()
            until(lambda: _stopped(holders[0]) == 2, "the next lock is asked for")
            holders.pop(0).rollback()
            thread.join()

        yield let_one_pass


def _stopped(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_locks"
        " WHERE relation = 'emission_hour_history'::regclass AND NOT granted"
    ).fetchone()
    return row[0] if row else 0


@pytest.mark.parametrize("plant", [FACTOR], indirect=True)
@pytest.mark.parametrize("steps", [0, 1])
def test_a_new_factor_restates_each_hour_once_whoever_dies_and_whoever_helps(
    plant: Plant, database_url: str, start: Start, steps: int
) -> None:
    readings = [Reading("meter.hourly", START + timedelta(hours=n), 1.0) for n in range(HOURS)]
    plant.store(readings)
    now = datetime.now(UTC)
    plant.tick(now)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    plant.tick(now + timedelta(minutes=1))
    first = start("first")
    with _no_hour_can_be_restated(database_url) as let_one_pass:
        apply_text(database_url, FACTOR.replace("0.5", "0.25"))
        until(lambda: _stopped(plant.connection) == 1, "a step is under way")
        for _ in range(steps):
            let_one_pass()
            until(lambda: _stopped(plant.connection) == 1, "another step is under way")
        held_by = _holder(plant)
        others = [start("second"), start("third")]
        first.kill()
        until(lambda: _holder(plant) not in {None, held_by}, "another has it")
    until(
        lambda: not plant.rows("SELECT 1 FROM recompute UNION ALL SELECT 1 FROM following_minutes"),
        "hours and minutes are restated",
    )
    assert all(other.running for other in others)
    of_hours = "SELECT version, final, co2_ug, count(*) FROM emission_hour GROUP BY 1, 2, 3"
    assert plant.rows(of_hours) == [(2, True, 250_000_000, HOURS)]
    of_history = "SELECT version, co2_ug, count(*) FROM emission_hour_history GROUP BY 1, 2"
    assert plant.rows(of_history) == [(1, 500_000_000, HOURS)]
    assert plant.rows("SELECT sum(co2_ug) FROM emission_minute") == [(250_000_000 * HOURS,)]
    assert plant.rows(
        "SELECT count(*) FROM rolling_total r WHERE co2_ug <> (SELECT coalesce(sum(co2_ug), 0)"
        " FROM emission_minute m WHERE m.minute BETWEEN r.since AND r.upto)"
    ) == [(0,)]


def _waiting(connection: psycopg.Connection[Any], now: datetime) -> list[int]:
    return [each.facility_id for each in facility_progress.waiting(connection, now)]


def test_a_facility_that_another_works_on_is_left_alone(plant: Plant, database_url: str) -> None:
    _registers(plant, 0)
    plan = facility_plans(plant.connection)[plant.facility_id]
    with connect(database_url, process="test") as other:
        assert claims.lock(other, plant.facility_id)
        assert not tick(plant.connection, plan, START).worked
        assert plant.rows("SELECT count(*) FROM touched") == [(1,)]
    assert tick(plant.connection, plan, START).worked


def test_work_that_one_has_done_is_not_there_for_the_next(plant: Plant, database_url: str) -> None:
    _registers(plant, 0)
    plan = facility_plans(plant.connection)[plant.facility_id]
    with connect(database_url, process="test", autocommit=True) as other:
        assert _waiting(other, START) == [plant.facility_id]
        assert tick(plant.connection, plan, START).worked
        assert _waiting(other, START) == []
        assert not tick(other, plan, START).worked
        assert _waiting(other, START + timedelta(minutes=1)) == [plant.facility_id]


def test_hours_that_one_left_are_closed_by_the_next(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = facility_plans(plant.connection)[plant.facility_id]
    monkeypatch.setattr("services.aggregator.close_hours.due", lambda *_: ({}, True))
    assert tick(plant.connection, plan, START).worked
    monkeypatch.undo()
    with connect(database_url, process="test", autocommit=True) as other:
        assert _waiting(other, START) == [plant.facility_id]
        assert tick(other, plan, START).worked
        assert _waiting(other, START) == []


def test_a_clock_that_is_behind_does_not_keep_a_value_from_minutes_that_began(
    plant: Plant,
) -> None:
    plan = facility_plans(plant.connection)[plant.facility_id]
    plant.store([Reading("meter.power", START, 60.0)])
    plant.tick(START + timedelta(seconds=61))
    plant.store([Reading("meter.power", START + timedelta(seconds=59), 120.0)])
    tick(plant.connection, plan, START + timedelta(seconds=59))
    assert plant.rows("SELECT round(activity_n / 1e9) FROM emission_minute ORDER BY minute") == [
        (1,),
        (2,),
    ]
