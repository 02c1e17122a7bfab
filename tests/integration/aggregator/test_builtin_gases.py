"""Built-in factors that are more than CO2 by the kilowatt hour, through the whole service."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.integration.aggregator.test_closing import close_all

START = instant("2026-03-01T00:00:00Z")
FILE = """
facility: {{id: works, name: Works, timezone: UTC}}
devices:
  - id: m
    channels:
      - {{id: e, quantity: {quantity}, unit: {unit}, kind: counter, max_rate: 100000}}
sources:
  - {{id: s, scope: {scope}, method: activity, input: m.e, factor: {factor}{more}}}
"""


@pytest.mark.parametrize(
    ("quantity", "unit", "factor", "more", "co2", "co2e", "biogenic"),
    [
        # 2 kg of R-410A: half HFC-32, half HFC-125, potentials of AR6 and of AR5
        ("mass", "kg", "r410a", "", 0.0, 2 * 2255.5, 0.0),
        ("mass", "kg", "r410a", ", gwp: AR5", 0.0, 2 * 1923.5, 0.0),
        ("mass", "kg", "sf6", ", gwp: AR4", 0.0, 2 * 22_800.0, 0.0),
        # 2 mmBtu of wood: its CO2 apart
        ("energy", "mmBtu", "wood", "", 0.0, 2 * 1.1772, 2 * 93.80),
        # published as CO2e only: whole as CO2 too
        ("energy", "kWh", "grid-de", "", 2 * 0.291, 2 * 0.291, 0.0),
        # gas as it flows by the publisher's default, and by the density of the fuel
        ("volume", "m3", "natural-gas", "", 2 / 0.3048**3 * 0.001026 * 53.06, None, 0.0),
        ("volume", "m3", "natural-gas-ipcc", ", density: 0.7", 2 * 1.88496, None, 0.0),
    ],
)
def test_two_units(
    database_url: str,
    quantity: str,
    unit: str,
    factor: str,
    more: str,
    co2: float,
    co2e: float | None,
    biogenic: float,
) -> None:
    scope = 2 if factor == "grid-de" else 1
    text = FILE.format(quantity=quantity, unit=unit, scope=scope, factor=factor, more=more)
    plant = Plant(database_url, text)
    try:
        plant.store([Reading("m.e", START + i * timedelta(hours=1), 1.0 * i) for i in range(3)])
        close_all(plant, START + timedelta(hours=3, minutes=30))
        ((emitted, equivalent, apart),) = plant.rows(
            "SELECT sum(co2_ug)::float8 / 1e9, sum(co2e_ug)::float8 / 1e9,"
            " sum(co2_biogenic_ug)::float8 / 1e9 FROM emission_hour"
        )
        assert emitted == pytest.approx(co2, rel=1e-7, abs=1e-7)
        assert apart == pytest.approx(biogenic, rel=1e-7, abs=1e-7)
        if co2e is not None:
            assert equivalent == pytest.approx(co2e, rel=1e-7)
    finally:
        plant.close()
