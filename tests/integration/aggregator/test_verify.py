"""Final hours against a second computation, by the command an auditor runs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli import app
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator.plant import (
    FILE,
    Plant,
    Reading,
    apply_text,
    instant,
    some_readings,
)
from tests.integration.aggregator.test_retired_facility import retire
from tests.services import as_login

START = instant("2026-06-01T06:00:00+02:00")
END = START + timedelta(hours=12)
HOUR = timedelta(hours=1)

Tonne = Callable[..., Result]


@pytest.fixture
def tonne(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Tonne:
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(database_url, "tonne_aggregate"))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, words)


def verified(tonne: Tonne, *words: str) -> dict[str, Any]:
    done = tonne("verify", "--json", *words)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == bool(found["differs"]), done.stderr
    return found


def kinds(differs: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(each["source"], each["kind"]) for each in differs}


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """Nine hours of four kinds of source, closed."""
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(3), START, 9))
    ruled.close_all(plant, END)
    yield plant
    plant.close()


def test_a_final_hour_that_was_tampered_with_is_named(plant: Plant, tonne: Tonne) -> None:
    found = verified(tonne)
    assert found["checked"] > 30
    assert (found["waiting"], found["unknown"], found["differs"]) == (0, 0, [])

    hour = START + 3 * HOUR
    changed = (plant.sources["by-counter"], hour)
    (before,) = plant.connection.execute(
        "SELECT co2_ug FROM emission_hour WHERE source_id = %s AND hour = %s", changed
    ).fetchone()
    plant.connection.execute(
        "UPDATE emission_hour SET co2_ug = co2_ug - 1000000000 WHERE source_id = %s AND hour = %s",
        changed,
    )
    gone = (plant.sources["by-interval"], hour)
    plant.connection.execute("DELETE FROM emission_hour WHERE source_id = %s AND hour = %s", gone)
    named = verified(tonne)["differs"]
    (counter,) = [each for each in named if each["kind"] == "readings"]
    assert counter == {
        "kind": "readings",
        "facility": "works",
        "source": "by-counter",
        "hour": "2026-06-01T07:00Z",
        "window": None,
        "stored_kg": (before - 10**9) / 1e9,
        "recomputed_kg": before / 1e9,
        "figures": ["co2_ug"],
        "detail": "",
        "source_name": "by-counter",
    }
    assert kinds(named) == {
        ("by-counter", "readings"),
        ("by-counter", "minutes"),
        ("by-interval", "missing"),
    }
    (interval, _) = [each for each in named if each["source"] == "by-interval"]
    assert interval["stored_kg"] is None

    plant.connection.execute(
        "UPDATE source SET spec = spec || '{\"name\": \"Kiln 1\"}' WHERE slug = 'by-counter'"
    )
    done = tonne("verify", "--facility", "works")
    assert done.exit_code == 1
    (line,) = [
        each for each in done.stdout.splitlines() if "by-counter" in each and "readings" in each
    ]
    for shown in (
        "works",
        "Kiln 1",
        "2026-06-01T07:00Z",
        str((before - 10**9) / 1e9),
        str(before / 1e9),
    ):
        assert shown in line
    elsewhere = ("--from", (hour + HOUR).isoformat(), "--to", (hour + 4 * HOUR).isoformat())
    assert verified(tonne, *elsewhere)["differs"] == []


def test_a_reading_that_was_tampered_with_is_noticed(plant: Plant, tonne: Tonne) -> None:
    changed = plant.connection.execute(
        "UPDATE reading SET value = value + 1 WHERE channel_id = %s AND ts > %s AND ts <= %s",
        (plant.channels["meter.quarter"], START + 3 * HOUR, START + 4 * HOUR),
    )
    assert changed.rowcount > 0
    (named,) = verified(tonne)["differs"]
    assert (named["source"], named["hour"]) == ("by-interval", "2026-06-01T07:00Z")
    assert named["recomputed_kg"] == pytest.approx(named["stored_kg"] + 0.2 * changed.rowcount)


def test_an_hour_is_computed_with_what_was_known_when_it_came_into_force(
    plant: Plant, tonne: Tonne, database_url: str
) -> None:
    corrected = FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,")
    checked = verified(tonne)["checked"]
    apply_text(database_url, corrected)
    # not computed again yet: the hours are right as they were, and will change
    assert plant.rows("SELECT * FROM recompute")
    found = verified(tonne)
    assert (found["checked"], found["waiting"], found["differs"]) == (checked, 0, [])
    plant.connection.execute("DELETE FROM recompute")
    found = verified(tonne)
    assert (found["waiting"], found["differs"]) == (0, [])

    apply_text(database_url, corrected.replace("co2_kg: 0.3,", "co2_kg: 0.4,"))
    plant.tick(END + timedelta(minutes=2))
    plant.store([Reading("meter.quarter", START + timedelta(minutes=20), 7.0)])
    assert verified(tonne)["waiting"] > 0
    plant.tick(END + timedelta(minutes=3))
    found = verified(tonne)
    assert (found["waiting"], found["differs"]) == (0, [])


def test_an_hour_is_computed_with_the_channels_as_they_were(
    plant: Plant, tonne: Tonne, database_url: str
) -> None:
    shorter = FILE.replace("kind: gauge, max_gap: 120", "kind: gauge, max_gap: 40")
    apply_text(database_url, shorter)
    queued = plant.rows("SELECT * FROM recompute")
    assert queued
    plant.connection.execute("DELETE FROM recompute")
    found = verified(tonne)
    assert (found["waiting"], found["differs"]) == (0, [])
    assert found["checked"] > 30
    # and with those of now, once they are
    apply_text(database_url, FILE)
    apply_text(database_url, shorter)
    plant.tick(END + timedelta(minutes=2))
    assert plant.rows("SELECT 1 FROM emission_hour WHERE version = 2")
    assert verified(tonne)["differs"] == []


def test_hours_that_a_rule_judged_are_judged_again(database_url: str, tonne: Tonne) -> None:
    plant = Plant(database_url, ruled.FILE)
    for number in range(8):
        if number not in {4, 5}:
            plant.store(ruled.hour_of(number, 10.0 + number, 1_000_000))
    plant.store(ruled.hour_of(5, 12.0, 1_000_000, minutes=range(5)))
    ruled.close_all(plant, ruled.START + 9 * HOUR)
    before = plant.totals()
    finals = plant.rows("SELECT count(*) FROM emission_hour WHERE final")[0][0]
    assert plant.rows("SELECT count(*) FROM emission_hour WHERE quality = 'substituted'") != [(0,)]
    assert verified(tonne) == {
        "checked": finals,
        "waiting": 0,
        "unknown": 0,
        "windows": 8,
        "sums": 0,
        "differ": 0,
        "differs": [],
    }
    assert plant.totals() == before
    plant.connection.execute(
        "UPDATE emission_hour SET co2_ug = co2_ug + 1 WHERE hour = %s",
        (ruled.START + 4 * HOUR,),
    )
    named = verified(tonne)["differs"]
    assert {each["hour"] for each in named} == {"2026-03-01T04:00Z"}
    assert kinds(named) == {("stack", "readings"), ("stack", "minutes")}
    plant.close()


def test_a_login_that_may_compute_nothing_is_refused_and_no_hour_is_blamed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(database_url, ruled.FILE)
    for number in range(4):
        plant.store(ruled.hour_of(number, 10.0 + number, 1_000_000))
    ruled.close_all(plant, ruled.START + 5 * HOUR)
    plant.close()
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(database_url, "tonne_admin"))
    done = CliRunner().invoke(app, ["verify"])
    assert done.exit_code == 1
    assert "another login in TONNE_DATABASE_URL: tonne_aggregate for verify" in done.stderr
    assert "differ" not in done.stdout


@pytest.mark.parametrize("validity", ["part75", "mrr"])
def test_hours_without_a_value_are_verified_and_computed_again_as_such(
    database_url: str, tonne: Tonne, validity: str
) -> None:
    text = ruled.FILE.replace("validity: part75", f"validity: {validity}")
    plant = Plant(database_url, text.replace("substitution: part75", "substitution: none"))
    rng = random.Random(5)
    for number in range(30):
        kept = range(60) if rng.random() < 0.7 else rng.sample(range(60), rng.choice([2, 30, 50]))
        plant.store(ruled.hour_of(number, 12.0, 1_000_000, sorted(kept)))
    ruled.close_all(plant, ruled.START + 32 * HOUR)
    valueless = [h for h in ruled.hours(plant) if h[2] == "partial" and h[3] is not None]
    assert valueless
    assert {kg for _, kg, *_ in valueless} == {0.0}
    found = verified(tonne)
    assert (found["checked"] >= 30, found["differs"]) == (True, [])
    days = "--from", "2026-03-01", "--to", "2026-03-03"
    preview = tonne("recompute", "--facility", "works", *days, "--dry-run")
    assert preview.stdout == "hours that would change: 0\n"
    # the sums of minutes, of hours and of windows are one
    sums = plant.rows(
        "SELECT (SELECT sum(co2_ug + closing_ug)::int8 FROM emission_minute),"
        " (SELECT sum(co2_ug)::int8 FROM emission_hour),"
        " (SELECT co2_ug::int8 FROM rolling_total WHERE span = '365d')"
    )
    assert len(set(sums[0])) == 1
    plant.close()


@pytest.mark.usefixtures("plant")
def test_a_mistake_is_one_sentence(tonne: Tonne) -> None:
    for words, said in (
        (("--facility", "nowhere"), "there is no facility nowhere"),
        (("--from", "yesterday"), "--from: `yesterday` is not a time"),
        (("--from", END.isoformat(), "--to", START.isoformat()), "`from` must be before `to`"),
    ):
        done = tonne("verify", *words)
        assert done.exit_code == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_retired_facility_is_verified_as_before(
    plant: Plant, tonne: Tonne, database_url: str
) -> None:
    before = verified(tonne)["checked"]
    plant.connection.execute("UPDATE reading SET received_at = ts")
    retire(plant, database_url, START + 10 * HOUR)
    plant.tick(END + 2 * HOUR)
    found = verified(tonne)
    # an hour that held on beyond the retirement cannot be said to be right or wrong
    assert (found["checked"] + found["unknown"], found["differs"]) == (before, [])
    assert found["checked"] > 30
    plant.connection.execute(
        "UPDATE emission_hour SET co2_ug = co2_ug + 1 WHERE source_id = %s AND hour = %s",
        (plant.sources["by-counter"], START + 3 * HOUR),
    )
    assert kinds(verified(tonne)["differs"]) == {
        ("by-counter", "readings"),
        ("by-counter", "minutes"),
    }
    # what is half deleted is not looked at, and nobody is told that it is right
    plant.connection.execute(
        "INSERT INTO facility_purge (facility, name, retired_at, begun_by, reason)"
        " VALUES ('works', 'Works', now(), 'a', 'b')"
    )
    found = verified(tonne, "--facility", "works")
    assert (found["checked"], found["differ"]) == (0, 1)
    assert kinds(found["differs"]) == {("", "purge")}
