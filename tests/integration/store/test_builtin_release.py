"""Factors that come with tonne, from one release to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.core.accounting.builtin_factors import lines, versions_of
from services.core.accounting.factor_timeline import versions as of_figures
from services.core.accounting.factors import Factor
from services.core.facility.errors import ApplyError
from services.core.store.database.transactions import writing
from services.core.store.operations.release_factors import bring_in_factors
from services.core.store.registry import builtin_release
from tests.command import tonne
from tests.integration.aggregator.plant import Plant, Reading, apply_text
from tests.integration.aggregator.test_closing import close_all
from tests.integration.store.test_import_factors import FILE, START, imported, versions

TEXT = FILE.replace("FACTOR", "grid-gb")
#: holds until a newer one is published
LATEST = next(f for f in versions_of("grid-gb") if f.valid_to is None and f.known_to is None)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, TEXT)
    plant.store([Reading("m.e", START + i * timedelta(hours=1), 100.0 * i) for i in range(3)])
    close_all(plant, START + timedelta(hours=3, minutes=30))
    yield plant
    plant.close()


def release(monkeypatch: pytest.MonkeyPatch, *instead: Factor) -> None:
    """Let a release bring these instead of the latest figure of the grid."""
    rest = [factor for factor in versions_of("grid-gb") if factor != LATEST]
    monkeypatch.setattr(builtin_release, "versions_of", lambda _: (*rest, *instead))


def known(plant: Plant) -> Sequence[tuple[object, ...]]:
    """Masses of the versions for the readings' day, and whether they are in force."""
    return plant.rows(
        "SELECT co2_kg, known_to IS NULL FROM factor WHERE slug = 'grid-gb'"
        " AND (valid_to IS NULL OR valid_to > '2026-03-01') ORDER BY id"
    )


def test_a_corrected_figure_restates_what_used_the_old_one(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected = replace(LATEST, co2_kg=0.15, citation="corrected")
    then = replace(LATEST, known_to=datetime(2026, 6, 1, tzinfo=UTC))
    release(monkeypatch, then, replace(corrected, known_from=then.known_to))
    apply_text(database_url, TEXT)
    assert known(plant)[-2:] == [(LATEST.co2_kg, False), (0.15, True)]
    # it was known here until this release came, whenever it was published elsewhere
    assert plant.rows(
        "SELECT count(*) FROM factor a JOIN factor b ON b.known_from = a.known_to"
        " WHERE a.slug = 'grid-gb' AND b.citation = 'corrected'"
        " AND b.known_from > now() - interval '1 minute'"
    ) == [(1,)]
    plant.tick(START + timedelta(hours=3, minutes=40))
    assert plant.rows("SELECT sum(co2_ug)::float8 / 1e9 FROM emission_hour") == [
        (pytest.approx(30.0),)
    ]
    ((reason,),) = plant.rows("SELECT DISTINCT reason FROM emission_hour")
    assert reason.startswith("factor version: grid-gb")
    assert "applied by tonne " in reason
    # again it changes nothing
    before = known(plant)
    apply_text(database_url, TEXT)
    assert known(plant) == before
    assert plant.rows("SELECT count(*) FROM recompute") == [(0,)]


def test_a_new_year_ends_the_figure_that_held_on(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    year = date(2026, 2, 1)
    newer = replace(LATEST, co2_kg=0.15, valid_from=year, data_year=2026, citation="of 2026")
    release(monkeypatch, replace(LATEST, valid_to=year), newer)
    apply_text(database_url, TEXT)
    assert versions(plant, "grid-gb")[-2:] == [
        (LATEST.co2_kg, str(LATEST.valid_from), "2026-02-01"), (0.15, "2026-02-01", None),
    ]  # fmt: skip
    plant.tick(START + timedelta(hours=3, minutes=40))
    assert plant.rows("SELECT sum(co2_ug)::float8 / 1e9 FROM emission_hour") == [
        (pytest.approx(30.0),)
    ]


def test_what_was_imported_goes_before_what_a_release_brings(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(database_url, "grid-gb,kWh,0.2,2026-01-01,,,a supplier\n")
    plant.tick(START + timedelta(hours=3, minutes=40))
    release(monkeypatch, replace(LATEST, co2_kg=0.15, citation="corrected"))
    apply_text(database_url, TEXT)
    assert versions(plant, "grid-gb")[-1] == (0.2, "2026-01-01", None)
    assert plant.rows("SELECT count(*) FROM recompute") == [(0,)]


def test_a_factor_that_a_release_brings_no_more_stays_in_force(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions(plant, "grid-gb")
    monkeypatch.setattr(builtin_release, "versions_of", lambda _: ())
    apply_text(database_url, TEXT)
    assert versions(plant, "grid-gb") == before


def test_a_release_that_a_source_could_not_be_computed_with_is_refused_whole(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions(plant, "grid-gb")
    release(monkeypatch, replace(LATEST, unit="m3", citation="by mistake"))
    with pytest.raises(ApplyError, match="works/grid could not be computed with this release's"):
        apply_text(database_url, TEXT)
    assert versions(plant, "grid-gb") == before


def test_a_release_comes_into_force_when_the_database_is_migrated(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    year = date(2027, 1, 1)
    newer = replace(LATEST, co2_kg=0.1, valid_from=year, data_year=2027, citation="of 2027")
    release(monkeypatch, replace(LATEST, valid_to=year, co2_kg=0.15, citation="corrected"), newer)
    with writing(database_url, process="migrate") as connection:
        said = bring_in_factors(connection)
    assert [line for line in said if line.startswith("+")] == [
        "+ factor grid-gb from 2026-01-01", "+ factor grid-gb from 2027-01-01",
    ]  # fmt: skip
    plant.tick(START + timedelta(hours=3, minutes=40))
    assert plant.rows("SELECT sum(co2_ug)::float8 / 1e9 FROM emission_hour") == [
        (pytest.approx(30.0),)
    ]
    ((reason,),) = plant.rows("SELECT DISTINCT reason FROM emission_hour")
    assert reason.startswith("factor version: grid-gb")
    with writing(database_url, process="migrate") as connection:
        assert bring_in_factors(connection) == []


def test_what_is_said_of_a_version_changes_without_restating_anything(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = date(2028, 1, 31)
    release(monkeypatch, replace(LATEST, successor_expected=due, publication="elsewhere"))
    with writing(database_url, process="migrate") as connection:
        assert bring_in_factors(connection) == []
    assert plant.rows(
        "SELECT publication, successor_expected FROM factor"
        " WHERE slug = 'grid-gb' AND known_to IS NULL AND valid_to IS NULL"
    ) == [("elsewhere", due)]
    assert plant.rows("SELECT count(*) FROM recompute") == [(0,)]


@pytest.mark.vector
def test_the_figure_of_2026_restates_what_counted_by_that_of_2025(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D1: a British hour of 2026 counted by 0.17489 until the release with 0.12943 came."""
    earlier = [line.figure() for line in lines()["grid-gb"] if line.publication.id != "desnz-2026"]
    monkeypatch.setattr(builtin_release, "versions_of", lambda _: tuple(of_figures(earlier)))
    plant = Plant(database_url, TEXT)
    try:
        plant.store([Reading("m.e", START + i * timedelta(hours=1), 100.0 * i) for i in range(3)])
        close_all(plant, START + timedelta(hours=3, minutes=30))
        emitted = "SELECT sum(co2_ug)::float8 / 1e9, sum(co2e_ug)::float8 / 1e9 FROM emission_hour"
        before = plant.rows(emitted)
        assert before == [(pytest.approx(200 * 0.17489), pytest.approx(200 * 0.177))]
        monkeypatch.undo()
        with writing(database_url, process="migrate") as connection:
            bring_in_factors(connection)
        plant.tick(START + timedelta(hours=3, minutes=40))
        after = (pytest.approx(200 * 0.12943), pytest.approx(200 * 0.13096))
        assert plant.rows(emitted) == [after]
        # what was told before is still known, with the reason of the change
        assert plant.rows(
            "SELECT sum(co2_ug)::float8 / 1e9 FROM emission_hour_history"
            " WHERE superseded_at IS NOT NULL AND final"
        ) == [(pytest.approx(200 * 0.17489),)]
        ((reason,),) = plant.rows("SELECT DISTINCT reason FROM emission_hour WHERE version > 1")
        assert "DESNZ, Greenhouse gas reporting: conversion factors 2026" in reason
    finally:
        plant.close()


def test_the_command_brings_in_what_is_missing_and_says_it(plant: Plant, database_url: str) -> None:
    plant.connection.execute(
        "UPDATE factor SET co2_kg = 0.2 WHERE slug = 'grid-gb' AND known_to IS NULL"
        " AND valid_to IS NULL"
    )
    brought = tonne(database_url, "migrate")
    assert (brought.code, brought.stderr) == (0, "")
    assert "+ factor grid-gb from 2026-01-01" in brought.stdout
    assert "grid-gb" not in tonne(database_url, "migrate").stdout
