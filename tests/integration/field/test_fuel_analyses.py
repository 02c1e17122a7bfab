"""Analyses of a fuel, from a facility file to totals, explanations and the file read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.core.facility.file import FacilityFileError, parse
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.database.connect import engine
from services.core.store.registry import applied_file
from services.core.store.registry.apply import apply
from services.core.timeline.instants import HOUR
from tests.integration.api.server import serving
from tests.integration.field.bench import FieldBench
from tests.patience import PATIENCE_S
from tests.services import as_login

_FILE = """
facility: {id: kiln, name: Kiln, timezone: UTC}
devices:
  - id: feeder
    channels:
      - {id: coal, quantity: mass, unit: short ton, kind: counter, max_rate: 50}
      - {id: gas, quantity: volume, unit: scf, kind: counter, max_rate: 100000}
factors:
  - id: kiln-coal
    valid_to: 2026-03-02
    analysis: {equation: C-3, fuel: coal-bituminous, carbon_content: 0.72}
    citation: report 26-014
  - id: kiln-coal
    valid_from: 2026-03-02
    analysis: {equation: C-2a, fuel: coal-bituminous, heat_content: 24.1}
    citation: report 26-031
  - id: burner-gas
    analysis: {equation: C-5, carbon_content: 0.75, molecular_weight: 16}
    citation: certificate 7
sources:
  - {id: coal-fire, scope: 1, method: activity, input: feeder.coal, factor: kiln-coal}
  - {id: gas-fire, scope: 1, method: activity, input: feeder.gas, factor: burner-gas}
"""
_MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
_NOW = _MIDNIGHT + 3 * HOUR


@pytest.fixture
def burnt(field: FieldBench) -> FieldBench:
    """An hour on either side of midnight, 2 short tons of coal and 600 scf of gas each."""
    field.apply(_FILE)
    field.deliver(
        [
            (
                "emissions/kiln/feeder/readings",
                json.dumps(
                    {
                        "ts": (_MIDNIGHT + timedelta(minutes=k)).isoformat(),
                        "values": {"coal": 9 + k / 30, "gas": 9000 + 10 * k},
                    }
                ),
            )
            for k in range(-60, 61)
        ],
        at=_MIDNIGHT + HOUR,
    )
    field.settle(_NOW)
    return field


async def _explained(url: str, source: str, hour: datetime) -> Any:
    settings = Settings(database_url=SecretStr(as_login(url, "tonne_api")), api_auth="off")
    app = create_app(settings, clock=FixedClock(_NOW), health_holds_s=0)
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        got = await client.get(
            "/v1/explain",
            params={
                "facility": "kiln",
                "source": source,
                "hour": hour.isoformat(),
                "as_of": datetime.now(UTC).isoformat(),
            },
        )
    assert got.status_code == 200, got.text
    return got.json()


@pytest.mark.vector
async def test_each_day_counts_by_its_analysis(burnt: FieldBench) -> None:
    by_carbon = await _explained(burnt.url, "coal-fire", _MIDNIGHT - HOUR)
    by_heat = await _explained(burnt.url, "coal-fire", _MIDNIGHT)
    gas = await _explained(burnt.url, "gas-fire", _MIDNIGHT)
    assert by_carbon["total"]["co2_kg"] == pytest.approx(2 * 2402.4)
    assert by_carbon["factor"]["ch4_kg"] == pytest.approx(24.93 * 0.011)
    assert by_carbon["factor"]["citation"] == (
        "report 26-014; 40 CFR 98.33(a)(3)(i), eq. C-3 with carbon_content 0.72; eq. C-8 with the"
        " default 24.93 mmBtu/short ton of coal-bituminous"
    )
    assert by_heat["total"]["co2_kg"] == pytest.approx(2 * 24.1 * 93.28)
    assert "eq. C-2a with heat_content 24.1; eq. C-9a" in by_heat["factor"]["citation"]
    assert gas["total"]["co2_kg"] == pytest.approx(600 * 44 / 849.5)


def test_applied_again_it_changes_nothing(burnt: FieldBench) -> None:
    assert burnt.apply(_FILE) == []


def test_the_file_is_given_back_with_its_analyses(burnt: FieldBench) -> None:
    bind = engine(burnt.url, process="test")
    with bind.begin() as connection:
        # as of a file whose text was not kept: the factors that followed from its analyses
        row = connection.execute(applied_file.statement("kiln")).one()
        written = applied_file.text(row)
        assert apply(connection, parse(written)) == []
        assert apply(connection, parse(_FILE), text=_FILE) == []
        row = connection.execute(applied_file.statement("kiln")).one()
        assert applied_file.text(row) == _FILE
    bind.dispose()
    assert "eq. C-3 with carbon_content 0.72" in written


def test_a_corrected_analysis_restates(burnt: FieldBench) -> None:
    changes = burnt.apply(_FILE.replace("carbon_content: 0.72", "carbon_content: 0.70"))
    burnt.settle(_NOW)
    assert "+ factor kiln-coal from always" in changes
    _, co2_kg = burnt.total("coal-fire")
    assert co2_kg == pytest.approx(2 * 2402.4 * 0.70 / 0.72 + 2 * 24.1 * 93.28)


@pytest.mark.parametrize(
    ("stated", "instead", "line", "reason"),
    [
        ("carbon_content: 0.72", "carbon_content: 72", 9, "at most 1 in C-3, not 72"),
        ("equation: C-5, ", "equation: C-4, ", 17, "C-4 would not use molecular_weight"),
        ("equation: C-5, ", "equation: C-1, ", 18, "C-5"),
        ("valid_to: 2026-03-02", "co2_kg: 5", 9, "co2_kg follows from the analysis: remove it"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_its_line(
    field: FieldBench, stated: str, instead: str, line: int, reason: str
) -> None:
    with pytest.raises(FacilityFileError) as refused:
        field.apply(_FILE.replace(stated, instead, 1))
    (problem,) = refused.value.problems
    assert reason in problem.message
    assert problem.line == line
