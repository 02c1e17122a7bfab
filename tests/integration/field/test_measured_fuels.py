"""Heat content of gas from an online analyser, carbon of coal from a laboratory: to totals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.aggregator.audit import verify
from services.api.models.explain import explain_body
from services.core.facility.file import FacilityFileError, parse
from services.core.store.answers.explain import explain_hour
from services.core.store.database.connect import connect
from services.core.store.emissions import final_hours
from services.core.store.registry.plan import facility_plans
from services.core.store.registry.replaced_sources import is_replaced
from services.core.timeline.instants import HOUR
from tests.integration.field.bench import FieldBench

_START = datetime(2026, 3, 2, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)

_FILE = """
facility: {id: kiln, name: Kiln, timezone: UTC}
devices:
  - id: feed
    channels:
      - {id: gas, quantity: volume, unit: kscf, kind: counter, max_rate: 1000}
      - {id: coal, quantity: mass, unit: short ton, kind: counter, max_rate: 50}
  - id: gc
    channels:
      - {id: hhv, quantity: energy_per_volume, unit: Btu/scf, kind: gauge, max_gap: 10m}
  - id: lab
    channels:
      - {id: carbon, quantity: fraction, unit: "%", kind: gauge, max_gap: 31d}
sources:
  - id: gas
    scope: 1
    method: activity
    input: feed.gas
    factor: natural-gas
    analysis: {equation: C-2a, heat_content: gc.hhv}
    lateness: 1h
  - id: coal
    scope: 1
    method: activity
    input: feed.coal
    factor: coal-bituminous
    analysis: {equation: C-3, carbon_content: lab.carbon}
    lateness: 1h
"""


def told(device: str, at: datetime, **values: float) -> tuple[str, str]:
    payload = {"ts": at.isoformat(), "values": values}
    return f"emissions/kiln/{device}/readings", json.dumps(payload)


def burnt() -> Iterator[tuple[str, str]]:
    """Three hours of 1 kscf and 0.1 short tons a minute; the gas changes after one hour."""
    for k in range(181):
        at = _START + k * _MINUTE
        yield told("feed", at, gas=500 + k, coal=20 + k / 10)
        if not 130 <= k < 150:
            yield told("gc", at, hhv=1020.0 if k < 60 else 980.0)
    yield told("lab", _START - timedelta(days=20), carbon=72.0)


def close(field: FieldBench, hours: int) -> None:
    """Compute, and then close what is over."""
    field.settle(_START + hours * HOUR)
    field.connection.execute(
        "UPDATE emission_hour SET known_at = known_at - interval '1 h',"
        " opened_at = opened_at - interval '1 h'"
    )
    field.connection.execute(
        "UPDATE emission_hour_history SET known_at = known_at - interval '1 h',"
        " superseded_at = superseded_at - interval '1 h'"
    )
    field.settle(_START + hours * HOUR + _MINUTE)


def hours_of(field: FieldBench, source: str) -> list[dict[str, Any]]:
    return [hour for hour in field.hours(source) if hour["hour"] >= _START]


@pytest.mark.vector
def test_hours_follow_what_the_fuel_was_like_in_them(field: FieldBench) -> None:
    field.apply(_FILE)
    field.deliver(burnt(), at=_START + 3 * HOUR)
    close(field, 6)
    gas = hours_of(field, "gas")
    # C-2a: 60 kscf x 1.020 and 0.980 mmBtu/kscf x 53.06; 11 minutes of the third are not known
    assert [float(hour["co2_kg"]) for hour in gas[:3]] == pytest.approx(
        [60 * 1.02 * 53.06, 60 * 0.98 * 53.06, 49 * 0.98 * 53.06], rel=1e-9
    )
    assert [hour["quality"] for hour in gas[:3]] == ["measured", "measured", "partial"]
    # C-3: 6 short tons x 0.72 x 0.91 x 44/12
    coal = hours_of(field, "coal")
    assert [float(h["co2_kg"]) for h in coal[:3]] == pytest.approx([6 * 2402.4] * 3, rel=1e-9)
    # the laboratory's figure of a sample of the second hour comes two hours later
    field.deliver([told("lab", _START + HOUR, carbon=75.0)], at=_START + 6 * HOUR)
    close(field, 7)
    coal = hours_of(field, "coal")
    assert [float(h["co2_kg"]) for h in coal[:3]] == pytest.approx(
        [6 * 2402.4, *[6 * 2402.4 * 75 / 72] * 2], rel=1e-9
    )
    assert [hour["version"] for hour in coal[:3]] == [1, 2, 2]
    assert coal[1]["reason"] == "late readings: lab.carbon"


def test_a_new_factor_computes_measured_fuels_from_their_readings(field: FieldBench) -> None:
    field.apply(_FILE)
    field.deliver(burnt(), at=_START + 3 * HOUR)
    close(field, 6)
    before = hours_of(field, "gas")
    field.connection.execute(
        "INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason, step)"
        " SELECT facility_id, id, minute_of(%s), minute_of(%s), 'factor version', 'factor'"
        " FROM source",
        (_START, _START + 3 * HOUR),
    )
    field.settle(_START + 7 * HOUR)
    assert hours_of(field, "gas") == before
    assert field.rows("SELECT 1 FROM recompute") == []
    field.connection.execute("UPDATE factor SET known_from = known_from - interval '1 day'")
    first = int(_START.timestamp()) // 3600
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        for source in final_hours.sources(connection, None):
            found = verify.step(connection, plan, source, first, first + 2, datetime.now(UTC))
            assert (found.checked, found.differences) == (3, ())


def test_one_sample_may_be_of_the_fuel_of_a_source_that_is_gone(field: FieldBench) -> None:
    field.apply(_FILE)
    more = "      - {id: more, quantity: mass, unit: t, kind: counter}\n"
    changed = _FILE.replace("- id: coal\n", "- id: coal-2\n").replace("feed.coal", "feed.more")
    field.apply(changed.replace("      - {id: coal,", f"{more}      - {{id: coal,"))
    # what the first one burnt still counts: the laboratory's figure is no fuel
    sources = "SELECT slug, active FROM source s WHERE {} ORDER BY 1"
    assert field.rows(sources.format("NOT active")) == [{"slug": "coal", "active": False}]
    assert field.rows(sources.format(is_replaced())) == []


def test_an_explanation_names_the_equation_and_what_was_measured(field: FieldBench) -> None:
    field.apply(_FILE)
    field.deliver(burnt(), at=_START + 3 * HOUR)
    field.settle(_START + 3 * HOUR)
    now = datetime.now(UTC)
    with connect(field.url, process="test", autocommit=True) as connection:
        found = explain_hour(connection, facility="kiln", source="gas", hour=_START, as_of=now)
    body = explain_body(found, facility="kiln", source="gas", hour=_START, as_of=now)
    assert body["analysis"] == {
        "equation": "C-2a",
        "citation": "40 CFR 98.33(a)(2)(i), eq. C-2a",
        "other_gases": "C-9a",
        "channels": {"heat_content": "gc.hhv"},
    }
    inputs = {item["role"]: item for item in body["inputs"]}
    assert inputs["heat_content"]["mean"] == 1020.0
    assert body["factor"]["id"] == "natural-gas"


@pytest.mark.parametrize(
    ("was", "instead", "says"),
    [
        ("heat_content: gc.hhv", "carbon_content: gc.hhv", "C-2a needs heat_content"),
        ("heat_content: gc.hhv", "heat_content: gc.hvh", "there is no channel 'gc.hvh'"),
        ("equation: C-2a", "equation: C-2c", "C-2a, C-3, C-4, C-5"),
        (
            "kind: gauge, max_gap: 31d",
            "kind: event, since: 2026-01-01",
            "give it kind: gauge and a max_gap, such as 31d for a laboratory's monthly figure",
        ),
        ("factor: natural-gas", "factor: grid-gb", "grid-gb"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_the_file(was: str, instead: str, says: str) -> None:
    assert was in _FILE
    with pytest.raises(FacilityFileError) as refused:
        parse(_FILE.replace(was, instead))
    assert says in str(refused.value)
