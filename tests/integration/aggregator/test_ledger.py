"""After an hour is final, whatever changes it writes a new version; nothing is overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from services.core.store.database.connect import connect
from services.core.store.readings import writer
from services.core.store.readings.writer import Correction, ReadingRow
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant

HOUR = instant("2026-06-01T10:00:00+02:00")
LONG_AFTER = HOUR + timedelta(hours=3)
CORRECTED = (
    "factor version: f, row ROW (0.2 kg CO2/kWh from 2026-01-01; b)"
    " replaced by row ROW (0.3 kg CO2/kWh from 2026-01-01; b); applied by user berta"
)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    yield plant
    plant.close()


def settle(plant: Plant) -> None:
    """Hours that changed in the last minute are not closed: let that minute have passed."""
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")


def versions(plant: Plant) -> list[tuple[int, bool, float, str]]:
    rows = plant.rows(
        "SELECT version, final, co2_ug, reason FROM emission_hour_history"
        " UNION ALL SELECT version, final, co2_ug, reason FROM emission_hour ORDER BY 1"
    )
    return [
        (version, final, co2_ug / 1e9, re.sub(r"row \d+", "row ROW", reason))
        for version, final, co2_ug, reason in rows
    ]


def closed_hour(plant: Plant) -> None:
    plant.store([Reading("meter.quarter", HOUR + timedelta(minutes=15), 10.0)])
    plant.tick(LONG_AFTER)
    settle(plant)
    plant.tick(LONG_AFTER + timedelta(minutes=1))


def test_an_hour_is_provisional_until_its_lateness_has_passed(plant: Plant) -> None:
    plant.store([Reading("meter.quarter", HOUR + timedelta(minutes=15), 10.0)])
    plant.tick(HOUR + timedelta(minutes=74))
    settle(plant)
    plant.tick(HOUR + timedelta(minutes=74, seconds=59))
    assert versions(plant) == [(1, False, pytest.approx(2.0), "open")]
    plant.tick(HOUR + timedelta(minutes=75))
    assert versions(plant) == [(1, True, pytest.approx(2.0), "closed")]


def test_a_late_reading_restates_a_final_hour_and_keeps_the_old_version(plant: Plant) -> None:
    closed_hour(plant)
    plant.store([Reading("meter.quarter", HOUR + timedelta(minutes=30), 5.0)])
    plant.tick(LONG_AFTER + timedelta(minutes=2))
    assert versions(plant) == [
        (1, True, pytest.approx(2.0), "closed"),
        (2, True, pytest.approx(3.0), "late readings: meter.quarter"),
    ]


def test_an_accepted_correction_restates_the_hour_and_says_who_accepted_it(plant: Plant) -> None:
    closed_hour(plant)
    # another reading of that hour arrives at the same time
    plant.store([Reading("meter.quarter", HOUR + timedelta(minutes=30), 5.0)])
    (stored,) = plant.rows("SELECT channel_id, facility_id FROM reading r JOIN touched ON true")[:1]
    at = HOUR + timedelta(minutes=15)
    row = ReadingRow(
        facility_id=stored[1],
        channel_id=stored[0],
        ts_us=int(at.timestamp()) * 1_000_000,
        value=20.0,
        quality=0,
        time_source=0,
        received_us=int(LONG_AFTER.timestamp()) * 1_000_000,
    )
    with plant.connection.transaction():
        replaced = writer.correct(
            plant.connection,
            [Correction(row=row, quarantine_id=1)],
            by="user berta",
            note=None,
            reason="accepted correction by user berta",
        )
    assert replaced == 1
    plant.tick(LONG_AFTER + timedelta(minutes=2))
    assert [(number, reason) for number, _, _, reason in versions(plant)] == [
        (1, "closed"),
        (2, "accepted correction by user berta"),
        (3, "late readings: meter.quarter"),
    ]
    assert versions(plant)[-1][2] == pytest.approx(5.0)


def test_a_corrected_factor_restates_what_it_was_used_for(plant: Plant, database_url: str) -> None:
    closed_hour(plant)
    changes = apply_text(
        database_url, FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,"), by="user berta"
    )
    assert any(change.startswith("+ factor f") for change in changes)
    plant.tick(LONG_AFTER + timedelta(minutes=2))
    assert versions(plant) == [
        (1, True, pytest.approx(2.0), "closed"),
        (
            2,
            True,
            pytest.approx(3.0),
            CORRECTED,
        ),
    ]


def test_a_change_of_configuration_restates_and_says_what_changed(
    plant: Plant, database_url: str
) -> None:
    closed_hour(plant)
    halved = FILE.replace("length: 15m, stamp: end", "length: 30m, stamp: end")
    apply_text(database_url, halved)
    plant.tick(LONG_AFTER + timedelta(minutes=2))
    # half of the half hour lies in the hour before
    (hour,) = [row for row in versions(plant) if row[0] == 2]
    assert hour[2:] == (
        pytest.approx(1.0),
        "channel configuration: meter.quarter length 900.0 -> 1800.0",
    )
    other = halved.replace("input: meter.quarter, factor: f", "input: meter.quarter, factor: g")
    other = other.replace("sources:", "  - {id: g, unit: kWh, co2_kg: 1, citation: c}\nsources:")
    apply_text(database_url, other)
    plant.tick(LONG_AFTER + timedelta(minutes=3))
    (hour,) = [row for row in versions(plant) if row[0] == 3]
    assert hour[2:] == (
        pytest.approx(5.0), "source configuration: by-interval factor f -> g",
    )  # fmt: skip


def test_an_epoch_of_a_register_restates_as_such(plant: Plant, database_url: str) -> None:
    plant.store(
        [
            Reading("meter.energy", HOUR + timedelta(minutes=minute), value)
            for minute, value in ((0, 100.0), (10, 101.0), (30, 3.0), (40, 4.0))
        ]
    )
    plant.tick(LONG_AFTER)
    settle(plant)
    plant.tick(LONG_AFTER + timedelta(minutes=1))
    replaced = (HOUR + timedelta(minutes=11)).isoformat()
    epoch = f"epochs: [{{from: {replaced}, start: 1.0, reason: replacement}}]"
    apply_text(database_url, FILE.replace("max_rate: 1000}", f"max_rate: 1000, {epoch}}}"))
    plant.tick(LONG_AFTER + timedelta(minutes=2))
    (reason,) = [reason for version, _, _, reason in versions(plant) if version == 2]
    assert reason.startswith("register epoch: meter.energy epochs none -> ")


def test_the_same_readings_again_restate_nothing(plant: Plant) -> None:
    closed_hour(plant)
    plant.store([Reading("meter.quarter", HOUR + timedelta(minutes=15), 10.0)])
    plant.tick(LONG_AFTER + timedelta(minutes=2))
    assert len(versions(plant)) == 1


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("tonne_aggregate", "UPDATE emission_hour_history SET co2_ug = 0"),
        ("tonne_aggregate", "DELETE FROM emission_hour_history"),
        ("tonne_aggregate", "UPDATE reading SET value = 0"),
        ("tonne_ingest", "UPDATE reading SET value = 0"),
        ("tonne_ingest", "UPDATE emission_hour SET co2_ug = 0"),
        ("tonne_read", "DELETE FROM quarantine"),
        (
            "tonne_read",
            "INSERT INTO touched (facility_id, channel_ids, minutes) VALUES (1, '{}', '{}')",
        ),
        ("tonne_ingest", "SELECT digest FROM api_key"),
    ],
)
def test_no_role_can_do_more_than_its_work(database_url: str, role: str, statement: str) -> None:
    with (
        connect(database_url, process="test", role=role) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)
