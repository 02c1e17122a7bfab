"""Hours again on demand: what would change, what does, and what an interruption leaves."""

from __future__ import annotations

import getpass
import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.aggregator.tick import tick
from services.cli import app
from services.core.store.database.connect import connect
from services.core.store.registry.plan import facility_plans
from tests.integration.aggregator.plant import Plant, instant, some_readings
from tests.integration.aggregator.test_closing import close_all
from tests.services import as_login

START = instant("2026-06-01T06:00:00+02:00")
END = START + timedelta(hours=12)
HOUR = timedelta(hours=1)
LONG_BEFORE = START - timedelta(days=20)
SPAN = ("--facility", "works", "--from", LONG_BEFORE.isoformat(), "--to", END.isoformat())

Tonne = Callable[..., Result]


@pytest.fixture
def tonne(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Tonne:
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(database_url, "tonne_aggregate"))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, ["recompute", *words])


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """Nine closed hours of four sources; one reading changed since, and nobody was told."""
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(3), START, 9))
    close_all(plant, END)
    changed = plant.connection.execute(
        "UPDATE reading SET value = value + 1 WHERE channel_id = %s AND ts > %s AND ts <= %s",
        (plant.channels["meter.quarter"], START + 3 * HOUR, START + 4 * HOUR),
    )
    assert changed.rowcount > 0
    yield plant
    plant.close()


def hour(plant: Plant) -> tuple[int, float, str]:
    """Version, kg and reason of the hour whose readings were changed."""
    row = plant.connection.execute(
        "SELECT version, co2_ug / 1e9, reason FROM emission_hour"
        " WHERE source_id = %s AND hour = %s",
        (plant.sources["by-interval"], START + 3 * HOUR),
    ).fetchone()
    assert row is not None
    return row[0], float(row[1]), row[2]


def everything(plant: Plant) -> list[Any]:
    """What a preview or an aborted tick must not change, one source of doubt each."""
    tables = (
        "emission_minute",
        "emission_hour",
        "emission_hour_history",
        "rolling_total",
        "recompute",
    )
    return [plant.rows(f"SELECT * FROM {each} ORDER BY 1, 2, 3") for each in tables]  # noqa: S608


def test_a_dry_run_tells_what_a_run_then_does(plant: Plant, tonne: Tonne) -> None:
    before = everything(plant)
    version, old, reason = hour(plant)
    assert (version, reason) == (1, "closed")
    plant.connection.execute(
        "UPDATE source SET spec = spec || '{\"name\": \"Kiln 1\"}' WHERE slug = 'by-interval'"
    )
    told = tonne(*SPAN, "--dry-run")
    assert (told.exit_code, everything(plant)) == (0, before)
    assert "hours that would change: 1\n" in told.stdout
    (line,) = [each for each in told.stdout.splitlines() if "by-interval" in each]

    done = tonne(*SPAN, "--no-wait", "--note", "a value was mended by hand")
    assert (done.exit_code, done.stdout) == (
        0,
        "4 sources to be computed again by the aggregator\n",
    )
    plant.tick(END + timedelta(minutes=3))
    version, new, reason = hour(plant)
    assert (version, reason) == (
        2, f"recomputation: user {getpass.getuser()}, a value was mended by hand",
    )  # fmt: skip
    assert new > old
    for shown in ("Kiln 1", "2026-06-01T07:00Z", repr(old), repr(new)):
        assert shown in line
    assert plant.rows("SELECT count(*) FROM emission_hour_history") == [(1,)]
    assert "hours that would change: 0\n" in tonne(*SPAN, "--dry-run").stdout


def test_an_interrupted_recomputation_is_whole_and_goes_on(plant: Plant, tonne: Tonne) -> None:
    def ticked_once() -> None:
        plan = facility_plans(plant.connection)[plant.facility_id]
        assert tick(plant.connection, plan, END + timedelta(minutes=1)).worked

    tonne(*SPAN, "--no-wait")
    queued = everything(plant)
    with plant.connection.transaction(force_rollback=True):
        ticked_once()
        assert everything(plant) != queued
    # an aggregator that was killed within a step has done nothing of it
    assert everything(plant) == queued
    for _ in range(3):
        ticked_once()
    waiting = plant.rows("SELECT id, from_minute, to_minute FROM recompute ORDER BY id")
    # asked for again, it is the same recomputation and not a second one
    tonne(*SPAN, "--no-wait")
    again = plant.rows("SELECT id, from_minute, to_minute FROM recompute ORDER BY id")
    assert again[: len(waiting)] == waiting
    assert len(again) <= len(plant.sources)
    plant.tick(END + timedelta(minutes=3))
    assert hour(plant)[0] == 2
    assert plant.rows("SELECT count(*) FROM emission_hour_history") == [(1,)]
    assert plant.rows("SELECT count(*) FROM recompute") == [(0,)]


def test_the_command_waits_until_an_aggregator_has_done_it(
    plant: Plant, tonne: Tonne, database_url: str
) -> None:
    over = threading.Event()

    def aggregate() -> None:
        with connect(database_url, process="test", autocommit=True) as connection:
            plan = facility_plans(connection)[plant.facility_id]
            while not over.wait(0.01):
                tick(connection, plan, END + timedelta(minutes=1))

    aggregator = threading.Thread(target=aggregate)
    aggregator.start()
    try:
        done = tonne(*SPAN)
    finally:
        over.set()
        aggregator.join()
    assert (done.exit_code, done.stdout) == (0, "closed hours restated: 1\n")
    assert hour(plant)[0] == 2


@pytest.mark.usefixtures("plant")
def test_a_mistake_is_one_sentence(tonne: Tonne) -> None:
    for words, said in (
        (("--facility", "nowhere", *SPAN[2:]), "there is no facility nowhere"),
        ((*SPAN[:4], "--to", LONG_BEFORE.isoformat()), "`from` must be before `to`"),
        ((*SPAN[:2], "--from", "2100-01-01T00:00:00Z", "--to", "2100-01-02T00:00:00Z"), "future"),
        ((*SPAN, "--note", ""), "--note takes 1 to 200 characters"),
    ):
        done = tonne(*words)
        assert done.exit_code == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
