"""Hours in which the gas of a stack is nearly air, from messages to explanations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.aggregator.audit import verify
from services.api.models.explain import explain_body
from services.core.store.answers.explain import explain_hour
from services.core.store.database.connect import connect
from services.core.store.emissions import final_hours
from services.core.store.registry.plan import facility_plans
from tests.integration.field.bench import FieldBench
from tests.integration.field.test_full_scale import close, hour, inputs, tons

_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: cems
    channels:
      - {id: o2, quantity: fraction, unit: "%%", kind: gauge, basis: dry, max_gap: 120,
         full_scale: 25}
      - {id: h2o, quantity: fraction, unit: "%%", kind: gauge, max_gap: 120, full_scale: 40}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120,
         full_scale: 3000000, maximum_potential: 2500000}
sources:
  - {id: stack, scope: 1, method: stack, equation: F-2, diluent: F-14A, fuel: natural-gas,
     inputs: {o2: cems.o2, h2o: cems.h2o, flow: cems.flow},
     validity: part75, substitution: part75%s}
"""
_START = datetime(2026, 3, 1, tzinfo=UTC)


def _explained(field: FieldBench, number: int) -> dict[str, Any]:
    at = _START + timedelta(hours=number)
    with connect(field.url, process="test", autocommit=True) as connection:
        found = explain_hour(
            connection,
            facility="works",
            source="stack",
            hour=at,
            as_of=datetime.now(UTC) + timedelta(days=1),
        )
    closing = explain_body(found, facility="works", source="stack", hour=at, as_of=at)["closing"]
    assert isinstance(closing, dict)
    return closing


@pytest.mark.vector
def test_hours_of_air_take_the_cap_and_stand_in_for_the_next_gap(field: FieldBench) -> None:
    field.apply(_FILE % ", diluent_cap: true")
    hour(field, 0, o2=3.0, h2o=10.0, flow=1_000_000)
    hour(field, 1, o2=16.2, h2o=10.0, flow=1_000_000)
    hour(field, 2, h2o=10.0, flow=1_000_000)
    hour(field, 3, o2=17.0, h2o=10.0, flow=1_000_000)
    # 3.0 % are 10.2 % CO2; the cap's 14.0 % are 3.9 %, of which the gap has the mean
    assert close(field, 4) == [
        (tons("5.2"), "measured", "quadrants"),
        (tons("2.0"), "measured", "quadrants co2:14"),
        (tons("2.0"), "substituted", "co2:07"),
        (tons("2.0"), "measured", "quadrants co2:14"),
    ]
    recorded = inputs(field, 1)
    assert [float(recorded["o2"]["average"]), float(recorded["co2"]["value"])] == [16.2, 3.9]
    explained = _explained(field, 1)
    assert explained["diluent_cap"] == {"role": "o2", "unit": "%", "greatest": 14.0}
    of_co2 = next(item for item in explained["inputs"] if item["role"] == "co2")
    assert of_co2["code"] == "14"
    assert "O2 of 16.2 % is above the diluent cap: 14.0 % counts" in of_co2["reason"]
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        (source,) = final_hours.sources(connection, None)
        first = int(_START.timestamp()) // 3600
        checked = verify.step(connection, plan, source, first, first + 4, datetime.now(UTC))
    assert (checked.checked, checked.differences) == (4, ())
    # without the option what was measured counts: 2.7 and 2.2 %, and 2.5 % in the gap between
    field.apply(_FILE % "")
    assert close(field, 4)[1:] == [
        (tons("1.4"), "measured", "quadrants"),
        (tons("1.3"), "substituted", "co2:07"),
        (tons("1.1"), "measured", "quadrants"),
    ]
    assert _explained(field, 1)["diluent_cap"] is None
