"""Hours of a stack with a biogenic share, closed by a rule: both parts add up to its figure."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from services.cli import app
from tests.integration.aggregator.plant import Plant, Reading
from tests.integration.aggregator.test_closing import (
    FILE,
    HOUR,
    MINUTE,
    START,
    as_reported_kg,
    close_all,
    hour_of,
)
from tests.services import as_login

_STATED = FILE.rstrip() + (
    "\n    biogenic:\n      shares:\n"
    "        - {share: 25, valid_from: 2026-01-01, citation: laboratory 1/2026}\n"
    "        - {share: 40, valid_from: 2026-03-02, citation: laboratory 2/2026}\n"
)
_MEASURED = (
    FILE.replace(
        "sources:",
        "  - id: lab\n    channels:\n"
        "      - {id: share, quantity: fraction, unit: '%', kind: gauge, max_gap: 2h}\nsources:",
    ).rstrip()
    + "\n    biogenic: {channel: lab.share}\n"
)


@pytest.fixture
def plant(database_url: str, request: pytest.FixtureRequest) -> Iterator[Plant]:
    plant = Plant(database_url, request.param)
    yield plant
    plant.close()


def parts(plant: Plant) -> list[tuple[int, int, int]]:
    """Micrograms of CO2, CO2e and biogenic CO2 of each hour."""
    return plant.rows(
        "SELECT co2_ug, co2e_ug, co2_biogenic_ug FROM emission_hour ORDER BY hour LIMIT 4"
    )


def verified(url: str, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(url, "tonne_aggregate"))
    found = json.loads(CliRunner().invoke(app, ["verify", "--json"]).stdout)
    assert found["checked"] > 0
    differs: list[object] = found["differs"]
    return differs


@pytest.mark.parametrize("plant", [_STATED], indirect=True)
def test_a_stated_share_parts_measured_and_substituted_hours(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.store(hour_of(0, 12.34, 1_234_567) + hour_of(2, 11.2, 1_300_000))
    close_all(plant, START + 4 * HOUR + 20 * MINUTE)
    measured, substituted, *_ = parts(plant)
    whole = as_reported_kg("12.3", 1_235_000) * 1e9
    assert measured[0] + measured[2] == pytest.approx(whole, abs=1)
    assert measured[2] / whole == pytest.approx(0.25)
    assert measured[1] == measured[0]
    # nothing of the hour between them was measured: the stated share parts its substitute
    assert substituted[0] > 0
    assert substituted[2] / (substituted[0] + substituted[2]) == pytest.approx(0.25)
    ((fossil, biogenic),) = plant.rows(
        "SELECT sum(co2_ug)::int8, sum(co2_biogenic_ug)::int8 FROM emission_hour"
    )
    assert plant.rows(
        "SELECT sum(co2_ug + closing_ug)::int8, sum(co2_biogenic_ug + closing_biogenic_ug)::int8"
        " FROM emission_minute"
    ) == [(fossil, biogenic)]
    assert plant.rows(
        "SELECT co2_ug::int8, co2_biogenic_ug::int8 FROM rolling_total WHERE span = '24h'"
    ) == [(fossil, biogenic)]
    assert verified(database_url, monkeypatch) == []


@pytest.mark.parametrize("plant", [_MEASURED], indirect=True)
def test_a_measured_share_parts_the_rules_figure_as_its_minutes(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.store(
        [
            *hour_of(0, 12.34, 1_234_567),
            *hour_of(1, 12.34, 1_234_567),
            Reading("lab.share", START, 30.0),
            Reading("lab.share", START + 30 * MINUTE, 50.0),
            # what holds no longer says nothing: what it leaves unknown counts as fossil
            Reading("lab.share", START + HOUR, None),
        ]
    )
    close_all(plant, START + 3 * HOUR)
    measured, unknown, *_ = parts(plant)
    whole = as_reported_kg("12.3", 1_235_000) * 1e9
    assert measured[0] + measured[2] == pytest.approx(whole, abs=1)
    assert measured[2] / whole == pytest.approx(0.4)
    assert unknown == (pytest.approx(whole, abs=1), pytest.approx(whole, abs=1), 0)
    assert verified(database_url, monkeypatch) == []
