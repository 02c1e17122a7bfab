"""Factors for every facility, from a CSV to the totals that use them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.core.facility.checks import factor_versions
from services.core.facility.errors import ApplyError
from services.core.facility.factor_file import read
from services.core.facility.file import FacilityFileError, parse
from services.core.store.database.connect import engine
from services.core.store.registry.import_factors import import_factors
from services.core.store.registry.shared_factors import shared_factors
from tests.command import Ended, tonne
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant
from tests.integration.aggregator.test_closing import close_all
from tests.services import as_login

HEAD = "id,unit,co2_kg,valid_from,valid_to,known_at,citation\n"
FILE = """
facility: {id: works, name: Works, timezone: Europe/London}
devices:
  - {id: m, channels: [{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 1000}]}
sources:
  - {id: grid, scope: 2, method: activity, input: m.e, factor: FACTOR}
"""
START = instant("2026-03-01T00:00:00Z")


def imported(url: str, rows: str) -> list[str]:
    bind = engine(url, process="test")
    try:
        with bind.begin() as connection:
            return import_factors(connection, read(HEAD + rows, datetime.now(UTC)), by="user test")
    finally:
        bind.dispose()


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, FILE.replace("FACTOR", "grid-gb"))
    yield plant
    plant.close()


def versions(plant: Plant, slug: str) -> list[tuple[object, ...]]:
    """Of those in force: kg, first day, day after the last."""
    return plant.connection.execute(
        "SELECT co2_kg, valid_from::text, valid_to::text FROM factor"
        " WHERE slug = %s AND known_to IS NULL ORDER BY valid_from NULLS FIRST",
        (slug,),
    ).fetchall()


def test_a_newer_figure_ends_the_one_that_held_on_and_restates_what_used_it(
    plant: Plant, database_url: str
) -> None:
    plant.store([Reading("m.e", START + i * timedelta(hours=1), 100.0 * i) for i in range(3)])
    close_all(plant, START + timedelta(hours=3, minutes=30))
    ((old_kg, since, until),) = versions(plant, "grid-gb")[-1:]
    assert until is None
    assert plant.rows("SELECT sum(co2_ug)::float8 / 1e9 FROM emission_hour") == [
        (pytest.approx(200 * old_kg),)
    ]
    row = "grid-gb,kWh,0.15,2026-02-01,,,DESNZ 2026\n"
    changes = imported(database_url, row)
    assert changes == [
        f"- factor grid-gb from {since}, superseded",
        f"+ factor grid-gb from {since} to 2026-02-01, kept",
        "+ factor grid-gb from 2026-02-01",
    ]
    assert versions(plant, "grid-gb")[-2:] == [
        (old_kg, since, "2026-02-01"), (0.15, "2026-02-01", None),
    ]  # fmt: skip
    plant.tick(START + timedelta(hours=3, minutes=40))
    assert plant.rows("SELECT sum(co2_ug)::float8 / 1e9 FROM emission_hour") == [
        (pytest.approx(30.0),)
    ]
    ((reason,),) = plant.rows("SELECT DISTINCT reason FROM emission_hour")
    assert reason.startswith("factor version: grid-gb")
    assert reason.endswith("applied by user test")
    # again, and after a file was applied, nothing comes back
    assert imported(database_url, row) == []
    apply_text(database_url, FILE.replace("FACTOR", "grid-gb").replace("Works", "The works"))
    assert versions(plant, "grid-gb")[-1] == (0.15, "2026-02-01", None)
    assert plant.rows("SELECT count(*) FROM recompute") == [(0,)]


def test_a_facility_that_has_a_factor_of_its_own_is_left_alone(
    plant: Plant, database_url: str
) -> None:
    own = "factors: [{id: grid-gb, unit: kWh, co2_kg: 0.1, citation: own}]\n"
    apply_text(database_url, FILE.replace("FACTOR", "grid-gb") + own)
    plant.store([Reading("m.e", START + i * timedelta(hours=1), 100.0 * i) for i in range(3)])
    plant.tick(START + timedelta(hours=3, minutes=30))
    imported(database_url, "grid-gb,kWh,0.15,2026-01-01,,,DESNZ 2026\n")
    assert plant.rows("SELECT count(*) FROM recompute") == [(0,)]


def test_a_file_may_name_what_was_imported(database_url: str) -> None:
    text = FILE.replace("FACTOR", "grid-tyrol")
    with pytest.raises(FacilityFileError, match="nor imported"):
        parse(text)
    imported(database_url, "grid-tyrol,kWh,0.2,,,,Umweltbundesamt\n")
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        shared = shared_factors(connection)
    bind.dispose()
    assert [f.co2_kg for f in factor_versions("grid-tyrol", [], shared)] == [0.2]
    parse(text, shared)


def test_a_factor_that_its_sources_cannot_use_is_refused(plant: Plant, database_url: str) -> None:
    before = versions(plant, "grid-gb")
    with pytest.raises(ApplyError, match="works/grid could not be computed"):
        imported(database_url, "grid-gb,m3,2.0,2026-01-01,,,wrong\n")
    assert versions(plant, "grid-gb") == before


def test_what_was_known_earlier_stays_known(plant: Plant, database_url: str) -> None:
    imported(
        database_url,
        "grid-x,kWh,0.4,2025-01-01,2026-01-01,2026-06-01T00:00:00Z,corrected\n"
        "grid-x,kWh,0.5,2025-01-01,2026-01-01,2026-01-15T00:00:00Z,first\n",
    )
    assert plant.rows(
        "SELECT co2_kg, known_from::date::text, known_to::date::text FROM factor"
        " WHERE slug = 'grid-x' ORDER BY known_from"
    ) == [(0.5, "2026-01-15", "2026-06-01"), (0.4, "2026-06-01", None)]


def test_the_command_prints_every_error_with_file_and_line(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "factors.csv"

    def run(*words: str | Path) -> Ended:
        admin = as_login(database_url, "tonne_admin")
        return tonne(admin, "factors", *(words or ("import", file)), columns=160)

    file.write_text(HEAD + "grid-tyrol,kWx,0.2,,,,a\n")
    refused = run()
    assert refused.code == 1
    assert f"{file}:2: unit: " in refused.stderr
    assert "nothing was imported" in refused.stderr
    file.write_text(HEAD + "grid-tyrol,kWh,0.2,,,,a\n")
    assert "+ factor grid-tyrol from always" in run().stdout
    assert "unchanged" in run().stdout
    assert "imported" in run("list", "grid-tyrol").stdout
    listed = run("list", "grid-gb").stdout
    assert "grid-gb  0.12943 kg CO2" in listed
    assert "imported" not in listed
    assert "grid-tyrol" not in run("list", "--shipped").stdout
