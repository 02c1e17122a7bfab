"""Audits and load ranges, from the facility file to the hours in force and their explanation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.api.models.explain import explain_body
from services.core.store.answers.explain import explain_hour
from tests.integration.aggregator.plant import Plant, Reading, apply_text
from tests.integration.aggregator.test_closing import (
    HOUR,
    MINUTE,
    START,
    as_reported_kg,
    close_all,
    hour_of,
    hours,
    ledger,
)

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120AUDITS}
  - id: boiler
    channels: [{id: load, quantity: power, unit: MW, kind: gauge, max_gap: 7200}]
sources:
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: cems.co2, flow: cems.flow}
    operating: {channel: boiler.load, above: 5}
    load: {channel: boiler.load, maximum: 100}
    validity: part75
    substitution: part75
"""
RUNS = str([[1_050_000, 1_000_000]] * 5 + [[1_052_000, 1_000_000]] * 4)


def file(audits: str = "") -> str:
    return FILE.replace("AUDITS", f", audits: [{audits}]" if audits else "")


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, file())
    yield plant
    plant.close()


def load(number: int, megawatts: float) -> Reading:
    return Reading("boiler.load", START + number * HOUR, megawatts)


def explained(plant: Plant, number: int) -> dict[str, Any]:
    hour = START + number * HOUR
    found = explain_hour(
        plant.connection,
        facility="works",
        source="stack",
        hour=hour,
        as_of=hour + timedelta(days=9999),
    )
    body = explain_body(found, facility="works", source="stack", hour=hour, as_of=hour)
    assert isinstance(body["closing"], dict)
    return body["closing"]


def test_an_audit_that_is_entered_adjusts_the_hours_after_it_and_restates_them(
    plant: Plant, database_url: str
) -> None:
    plant.store([load(n, 80) for n in range(3)])
    plant.store([r for n in range(3) for r in hour_of(n, 12.0, 1_200_000)])
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    plain = pytest.approx(as_reported_kg("12.0", 1_200_000))
    assert [h[1] for h in hours(plant)[:3]] == [plain] * 3
    changes = apply_text(
        database_url, file(f"{{at: 2026-03-01T00:30:00Z, runs: {RUNS}}}"), by="key audit"
    )
    assert "~ channel cems.flow" in changes
    close_all(plant, START + 3 * HOUR + 30 * MINUTE)
    # 1 + 50 889 / 1 000 000 is 1.051; 1 200 000 x 1.051 = 1 261 200
    adjusted = pytest.approx(as_reported_kg("12.0", 1_261_000))
    assert [h[1] for h in hours(plant)[:3]] == [plain, adjusted, adjusted]
    assert [(v, r.partition(":")[0]) for h, v, _, r in ledger(plant) if h == 1] == [
        (1, "closed"),
        (2, "channel configuration"),
    ]
    closing = explained(plant, 1)
    flow = next(each for each in closing["inputs"] if each["role"] == "flow")
    assert (flow["average"], flow["unadjusted"]) == (1_261_000, 1_200_000)
    (audit,) = closing["audits"]["flow"]
    assert (audit["passed"], audit["bias_factor"], audit["runs"]) == (True, 1.051, 9)
    assert closing["load"] == {"value": 80.0, "unit": "MW", "range": 9, "maximum": 100.0}


def test_a_failed_audit_is_out_of_control_until_one_passes(database_url: str) -> None:
    plant = Plant(
        database_url,
        file(
            "{at: 2026-03-01T01:00:00Z, passed: false},"
            " {at: 2026-03-01T03:00:00Z, bias_factor: 1.02}"
        ),
    )
    plant.store([load(n, 80) for n in range(5)])
    plant.store([r for n in range(5) for r in hour_of(n, 12.0, 1_200_000)])
    close_all(plant, START + 5 * HOUR + 20 * MINUTE)
    assert [(h[2], h[3]) for h in hours(plant)[:5]] == [
        ("measured", "quadrants"),
        ("substituted", "flow:07"),
        ("substituted", "flow:07"),
        ("measured", "quadrants"),
        ("measured", "quadrants"),
    ]
    plain, adjusted = (
        pytest.approx(as_reported_kg("12.0", flow)) for flow in (1_200_000, 1_224_000)
    )
    assert [h[1] for h in hours(plant)[3:5]] == [plain, adjusted]
    plant.close()


def test_a_failed_linearity_check_is_out_of_control_until_one_of_its_kind_passes(
    database_url: str,
) -> None:
    failed = "[[5.0, 5.1], [9.0, 9.9], [14.0, 14.1]]"
    passed = "[[5.0, 5.1], [9.0, 9.5], [14.0, 14.1]]"
    checks = (
        "basis: wet, audits: ["
        f"{{at: 2026-03-01T01:00:00Z, kind: linearity, levels: {failed}}},"
        " {at: 2026-03-01T02:00:00Z, passed: true},"
        f"{{at: 2026-03-01T03:00:00Z, kind: linearity, levels: {passed}}}]"
    )
    plant = Plant(database_url, file().replace("basis: wet", checks, 1))
    plant.store([load(n, 80) for n in range(5)])
    plant.store([r for n in range(5) for r in hour_of(n, 12.0, 1_200_000)])
    close_all(plant, START + 5 * HOUR + 20 * MINUTE)
    # the audit of relative accuracy in between ends nothing
    assert [(h[2], h[3]) for h in hours(plant)[:5]] == [
        ("measured", "quadrants"),
        ("substituted", "co2:07"),
        ("substituted", "co2:07"),
        ("measured", "quadrants"),
        ("measured", "quadrants"),
    ]
    closing = explained(plant, 2)
    assert "linearity check failed" in closing["inputs"][0]["verdict_reason"]
    check = next(each for each in closing["audits"]["co2"] if each["kind"] == "linearity")
    assert [level["error"] for level in check["levels"]] == [2.0, 10.0, 0.7]
    (passing,) = [
        each
        for each in explained(plant, 3)["audits"]["co2"]
        if each["kind"] == "linearity" and each["passed"]
    ]
    assert [(level["error"], level["alternative"]) for level in passing["levels"]] == [
        (2.0, False),
        (0.5, True),
        (0.7, False),
    ]
    plant.close()


def test_a_missing_flow_is_filled_from_hours_of_its_load(plant: Plant) -> None:
    loads = [30, 80, 35, 35, 85, 38]
    plant.store([load(n, mw) for n, mw in enumerate(loads)])
    for n, flow in ((0, 900_000), (1, 2_000_000), (2, 1_100_000), (5, 1_000_000)):
        plant.store(hour_of(n, 12.0, flow))
    for n in (3, 4):
        plant.store([r for r in hour_of(n, 12.0, 0.0) if r.channel == "cems.co2"])
    close_all(plant, START + 6 * HOUR + 20 * MINUTE)
    # at 30 to 40 MW: the mean of 900 000 and 1 100 000; at 80 to 90 MW: 2 000 000
    assert [h[1:] for h in hours(plant)[3:5]] == [
        (pytest.approx(as_reported_kg("12.0", flow)), "substituted", "flow:07", True)
        for flow in (1_000_000, 2_000_000)
    ]
    closing = explained(plant, 3)
    flow = next(each for each in closing["inputs"] if each["role"] == "flow")
    assert (flow["value"], "load range 4" in flow["reason"]) == (1_000_000, True)
    assert Decimal(str(closing["load"]["value"])) == 35


def test_a_load_that_arrives_late_judges_its_hour_again(plant: Plant) -> None:
    plant.store([load(n, 80) for n in (0, 1)])
    plant.store(hour_of(0, 12.0, 1_200_000) + hour_of(1, 12.0, 1_200_000))
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    assert hours(plant)[1][2:4] == ("measured", "quadrants")
    plant.store([Reading("boiler.load", START + HOUR + timedelta(seconds=1), 0.0)])
    close_all(plant, START + 3 * HOUR + 30 * MINUTE)
    # one second of the hour's first minute had the old load: the mean of that minute is below 5
    assert hours(plant)[1][1:4] == (0, "measured", "not-operating")


def test_maintenance_that_is_told_late_excuses_its_hour(plant: Plant) -> None:
    plant.store([load(n, 80) for n in (0, 1)])
    # two quadrants have data: not valid, unless the others were lost to maintenance
    plant.store(hour_of(0, 12.0, 1_200_000) + hour_of(1, 12.0, 1_200_000, range(28)))
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    assert hours(plant)[1][2:4] == ("substituted", "co2:07 flow:07")
    told = START + HOUR + 40 * MINUTE
    plant.store([Reading(f"cems.{name}", told, None, 4) for name in ("co2", "flow")])
    close_all(plant, START + 3 * HOUR + 30 * MINUTE)
    assert hours(plant)[1][2:4] == ("measured", "two-points")
