"""Thresholds that watch CO2e, market-based or biogenic CO2 instead of CO2."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from services.core.store.alerts.values.read import values
from services.core.store.registry.plan import facility_plans
from tests.integration.aggregator.plant import FILE, Plant, Reading, instant

T0 = instant("2026-11-20T10:00:00Z")

#: Of each kWh: no CO2, 2 kg CO2e, 0.5 kg of biomass, and half a kg by contract.
_MIXED = FILE.replace(
    "{id: f, unit: kWh, co2_kg: 0.2, valid_from: 2026-01-01, citation: b}",
    "{id: f, unit: kWh, co2_kg: 0, co2e_kg: 2, co2_biogenic_kg: 0.5, valid_from: 2026-01-01,"
    " citation: b}\n  - {id: contract, unit: kWh, co2_kg: 0.25, citation: c}",
).replace(
    "input: meter.power, factor: f}", "input: meter.power, factor: f, market_factor: contract}"
)

_LIMITS = """
thresholds:
  - {id: as-ever, source: by-gauge, measure: total, window: 1h, above: 10}
  - {id: co2, source: by-gauge, measure: total, figure: co2, window: 1h, above: 10}
  - {id: co2e, source: by-gauge, measure: total, figure: co2e, window: 1h, above: 30}
  - {id: market, source: by-gauge, measure: total, figure: market, window: 24h, above: 100}
  - {id: biogenic, measure: total, figure: co2_biogenic, window: 365d, above: 100}
  - {id: rate, source: by-gauge, measure: rate, figure: co2e, above: 300}
  - {id: rate-of-biomass, source: by-gauge, measure: rate, figure: co2_biogenic, above: 300}
  - {id: share, source: by-gauge, measure: budget, figure: co2e, window: year, budget: 1000,
     above: 0.9, projected: false}
  - {id: known, source: by-gauge, measure: coverage, window: 1h, below: 0.1}
"""


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """20 minutes of 60 kW: of each minute 1 kWh."""
    plant = Plant(database_url, _MIXED + _LIMITS)
    plant.connection.execute("UPDATE threshold SET in_force_from = %s", (T0,))
    plant.store([Reading("meter.power", T0 + timedelta(minutes=k), 60.0) for k in range(21)])
    plant.tick(T0 + timedelta(minutes=20))
    yield plant
    plant.close()


def test_each_threshold_watches_its_own_mass(plant: Plant) -> None:
    plan = facility_plans(plant.connection)[plant.facility_id]
    minute = int((T0 + timedelta(minutes=19)).timestamp()) // 60
    indices = range(len(plan.watch.thresholds))
    found = values(plant.connection, plant.facility_id, plan.watch, indices, minute, minute)
    by_id = {
        threshold.spec.id: found.value[i, 0] for i, threshold in enumerate(plan.watch.thresholds)
    }
    assert by_id == pytest.approx(
        {
            "as-ever": 0.0,
            "co2": 0.0,
            "co2e": 40.0,
            "market": 5.0,
            "biogenic": 10.0,
            "rate": 120.0,
            "rate-of-biomass": 30.0,
            "share": 0.04,
            "known": by_id["known"],
        }
    )


def test_an_alert_of_co2e_fires_though_there_is_no_co2_and_says_of_what(plant: Plant) -> None:
    alerts: list[tuple[str, datetime, float]] = plant.rows(
        "SELECT t.slug, a.fired_at, a.value FROM alert a JOIN threshold t ON t.id = a.threshold_id"
        " WHERE t.slug <> 'known'"
    )
    ((slug, fired_at, value),) = alerts
    # the first minute that ends with more than 30 kg
    assert (slug, fired_at) == ("co2e", T0 + timedelta(minutes=15))
    assert value == pytest.approx(32.0)
    ((figure, unit),) = plant.rows(
        "SELECT DISTINCT body ->> 'figure', body ->> 'unit' FROM outbox"
        " WHERE body ->> 'threshold' = 'co2e'"
    )
    assert (figure, unit) == ("co2e", "kg")
