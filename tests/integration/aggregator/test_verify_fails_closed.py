"""Nothing that somebody with SQL did goes unchecked; each by itself is in test_tampering.py."""

# ruff: noqa: S608

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from services.core.store.schema.ddl import WRITES
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator.plant import Plant, Reading, apply_text, some_readings
from tests.integration.aggregator.test_verify import (
    END,
    HOUR,
    START,
    Tonne,
    kinds,
    tonne,
    verified,
)
from tests.services import as_login

__all__ = ["tonne"]

SOURCE = "(SELECT id FROM source WHERE slug = 'by-interval')"
AT = f"source_id = {SOURCE} AND hour = '2026-06-01T07:00Z'"


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """Nine hours of four kinds of source, closed; one hour of one of them restated."""
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(3), START, 9))
    plant.connection.execute(
        "DELETE FROM reading WHERE channel_id = %s AND ts > '2026-06-01T07:00Z'"
        " AND ts < '2026-06-01T08:00Z'",
        (plant.channels["meter.quarter"],),
    )
    ruled.close_all(plant, END)
    plant.store([Reading("meter.quarter", START + 3 * HOUR + timedelta(minutes=30), 9.0)])
    plant.tick(END + timedelta(minutes=2))
    assert plant.rows(f"SELECT version FROM emission_hour WHERE {AT}") == [(2,)]
    yield plant
    plant.close()


@pytest.mark.vector
def test_f4_history_deleted_and_version_set_back(plant: Plant, tonne: Tonne) -> None:
    plant.connection.execute(f"DELETE FROM emission_hour_history WHERE {AT}")
    plant.connection.execute(f"UPDATE emission_hour SET version = 1 WHERE {AT}")
    (difference,) = verified(tonne)["differs"]
    assert (difference["kind"], difference["hour"]) == ("versions", "2026-06-01T07:00Z")
    assert difference["detail"] == "version 1 has the reason `late readings: meter.quarter`"


@pytest.mark.vector
def test_f5_quality_and_code_of_a_substituted_hour(database_url: str, tonne: Tonne) -> None:
    plant = Plant(database_url, ruled.FILE)
    for number in range(8):
        if number not in {4, 5}:
            plant.store(ruled.hour_of(number, 10.0 + number, 1_000_000))
    ruled.close_all(plant, ruled.START + 9 * HOUR)
    assert verified(tonne)["differs"] == []
    forged = plant.connection.execute(
        "UPDATE emission_hour SET quality = 'measured', code = 'quadrants' WHERE hour = %s"
        " AND quality = 'substituted'",
        (ruled.START + 4 * HOUR,),
    )
    assert forged.rowcount == 1
    found = verified(tonne)["differs"]
    (difference,) = [each for each in found if each["kind"] == "judgement"]
    assert (difference["hour"], difference["figures"]) == (
        "2026-03-01T04:00Z",
        ["quality", "code"],
    )
    # what a rule filled passes for measured in its minutes and in every window
    for table in ("emission_minute", "rolling_total"):
        plant.connection.execute(f"UPDATE {table} SET substituted_ms = 0")
    found = verified(tonne)
    assert ("2026-03-01T05:00Z", "minutes", ["substituted_ms"]) in [
        (each["hour"], each["kind"], each["figures"]) for each in found["differs"]
    ]
    plant.connection.execute(
        "UPDATE source_hour_input SET value = value / 2 WHERE hour = %s AND role = 'co2'",
        (ruled.START + 2 * HOUR,),
    )
    found = verified(tonne)["differs"]
    assert "input co2" in [figure for each in found for figure in each["figures"]]
    plant.close()


def test_an_hour_known_before_its_factor_is_named_and_all_others_are_checked(
    plant: Plant, tonne: Tonne
) -> None:
    checked = verified(tonne)["checked"]
    plant.connection.execute(
        f"UPDATE emission_hour SET known_at = '2001-01-01', opened_at = '2001-01-01', version = 1,"
        f" reason = 'closed' WHERE {AT}"
    )
    plant.connection.execute(f"DELETE FROM emission_hour_history WHERE {AT}")
    found = verified(tonne)
    (difference,) = found["differs"]
    assert (difference["kind"], difference["hour"]) == ("not computable", "2026-06-01T07:00Z")
    assert "factor" in difference["detail"]
    assert found["checked"] == checked - 1


@pytest.mark.usefixtures("plant")
def test_with_all_hours_deleted_every_one_is_named(plant: Plant, tonne: Tonne) -> None:
    plant.connection.execute("DELETE FROM emission_hour")
    found = verified(tonne)
    assert found["checked"] == 0
    assert found["differ"] > 40
    assert {each["kind"] for each in found["differs"]} == {"missing", "versions"}
    # and where the minutes are gone too
    plant.connection.execute("DELETE FROM emission_minute")
    plant.connection.execute("DELETE FROM emission_hour_history")
    found = verified(tonne)
    assert ("by-interval", "missing") in kinds(found["differs"])
    assert ("by-interval", "window") in kinds(found["differs"])


def test_one_facilitys_trouble_does_not_stop_the_check_of_others(
    plant: Plant, tonne: Tonne, database_url: str
) -> None:
    other = ruled.FILE.replace("id: works", "id: mill")
    apply_text(database_url, other)
    plant.connection.execute(
        "UPDATE source SET spec = '{}' WHERE facility_id ="
        " (SELECT id FROM facility WHERE slug = 'mill')"
    )
    found = verified(tonne)
    (difference,) = found["differs"]
    assert (difference["facility"], difference["kind"]) == ("mill", "not checked")
    assert found["checked"] > 30


@pytest.mark.usefixtures("plant")
def test_the_aggregator_may_not_delete_hours_or_minutes(database_url: str) -> None:
    assert "DELETE" not in WRITES["tonne_aggregate"]["emission_hour"]
    with psycopg.connect(as_login(database_url, "tonne_aggregate"), autocommit=True) as connection:
        for table in ("emission_hour", "emission_minute", "emission_hour_history"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM {table}")


@pytest.mark.usefixtures("plant")
def test_hours_that_are_final_without_a_tick_are_named(plant: Plant, tonne: Tonne) -> None:
    checked = verified(tonne)["checked"]
    plant.connection.execute("UPDATE facility_progress SET carried_to = '2001-01-01'")
    found = verified(tonne)
    assert found["checked"] == 0
    assert {each["kind"] for each in found["differs"]} == {"not computable"}
    assert found["differ"] == checked


def test_windows_that_are_all_gone_are_named_though_none_was_ever_moved(
    plant: Plant, tonne: Tonne
) -> None:
    plant.connection.execute("DELETE FROM rolling_total")
    plant.connection.execute("UPDATE facility_progress SET rolled_to = NULL")
    assert {each["kind"] for each in verified(tonne)["differs"]} == {"window"}
