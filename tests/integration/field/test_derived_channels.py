"""Meters behind transformers, tariffs and meters behind meters: what they come to in totals."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from services.aggregator.audit import verify
from services.core.store.database.connect import connect
from services.core.store.emissions import final_hours
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import HOUR
from tests.integration.field.bench import FieldBench
from tests.repository.files import ROOT

_START = datetime(2026, 3, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)

_FILE = """
facility: {{id: {facility}, name: Works, timezone: Europe/Vienna}}
devices:
  - id: main
    channels:
      - {{id: t1, quantity: energy, unit: kWh, kind: counter, max_rate: 4000, scale: {scale}}}
      - {{id: t2, quantity: energy, unit: kWh, kind: counter, max_rate: 4000, scale: {scale}}}
      - {{id: import, quantity: energy, unit: kWh, kind: derived, sum: [t1, t2], uncertainty: 2}}
  - id: hall
    channels:
      - {{id: e, quantity: energy, unit: MWh, kind: counter, max_rate: 4}}
      - {{id: rest, quantity: energy, unit: kWh, kind: derived, formula: {rest}}}
factors: [{{id: f, unit: kWh, co2_kg: 0.5, citation: a}}]
sources:
  - {{id: grid, scope: 2, method: activity, input: main.import, factor: f, lateness: 2h}}
  - {{id: rest, scope: 2, method: activity, input: hall.rest, factor: f, lateness: 2h}}
"""


def file_of(facility: str = "works", scale: str = "40", rest: str = "") -> str:
    return _FILE.format(facility=facility, scale=scale, rest=rest or "main.t1 + main.t2 - hall.e")


def message(facility: str, device: str, at: datetime, **values: float) -> tuple[str, str]:
    payload = {"ts": at.isoformat(), "values": values}
    return f"emissions/{facility}/{device}/readings", json.dumps(payload)


def day_of(facility: str) -> list[tuple[str, str]]:
    """Four hours: the tariffs are switched after two; each meter is read at seconds of its own."""
    messages = []
    for k in range(0, 241, 5):
        at = _START + k * _MINUTE
        low, high = min(k, 120) / 60, max(k - 120, 0) / 60
        messages += [
            message(facility, "main", at + timedelta(seconds=7), t1=100 + low, t2=50 + high),
            message(facility, "hall", at + timedelta(seconds=41), e=7 + k / 60 * 0.01),
        ]
    return messages


def close(field: FieldBench) -> None:
    """Compute, and then close what is over."""
    field.settle(_START + 8 * HOUR)
    # an hour that changed just now is still being filled
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 h'")
    field.settle(_START + 9 * HOUR)


def minutes_of(field: FieldBench, facility: str) -> list[dict[str, object]]:
    return field.rows(
        "SELECT s.slug, minute, co2_ug, activity_n, covered_ms, estimated_ms"
        " FROM emission_minute m JOIN source s ON s.id = m.source_id"
        " JOIN facility f ON f.id = s.facility_id WHERE f.slug = %s ORDER BY 1, 2",
        facility,
    )


def test_two_tariffs_behind_a_transformer_are_one_consumption(field: FieldBench) -> None:
    changes = field.apply(file_of())
    assert "+ derived channel main.import: main.t1 + main.t2" in changes
    assert field.apply(file_of()) == []
    field.deliver(day_of("works"), at=_START + 5 * HOUR)
    field.settle(_START + 5 * HOUR)
    # 4 h x 1 kWh shown x 40; hall: 4 h x 10 kWh less, over the time that all three are known
    assert field.total("grid") == (pytest.approx(160), pytest.approx(80))
    activity, _ = field.total("rest")
    known_s = 4 * 3600 - 34
    assert activity == pytest.approx((40 - 10) * known_s / 3600, rel=1e-9)
    hours = field.hours("rest")
    assert [hour["quality"] for hour in hours[:4]] == [
        "partial",
        "measured",
        "measured",
        "measured",
    ]
    assert float(hours[0]["coverage"]) == pytest.approx((3600 - 41) / 3600, abs=1e-6)


def test_late_doubled_and_shuffled_readings_give_the_same_minutes(field: FieldBench) -> None:
    field.apply(file_of())
    field.deliver(day_of("works"), at=_START + 5 * HOUR)
    field.settle(_START + 5 * HOUR)
    field.apply(file_of("live"))
    messages = day_of("live")
    messages += messages[10:30]
    random.Random(11).shuffle(messages)
    while messages:
        field.deliver(messages[:17], at=_START + 5 * HOUR)
        field.settle(_START + 5 * HOUR)
        messages = messages[17:]
    assert minutes_of(field, "live") == minutes_of(field, "works")


def test_a_corrected_transformer_restates_with_the_reason(field: FieldBench) -> None:
    field.apply(file_of(scale="30"))
    field.deliver(day_of("works"), at=_START + 5 * HOUR)
    close(field)
    assert field.total("grid") == (pytest.approx(120), pytest.approx(60))
    changes = field.apply(file_of(scale="40"))
    assert changes == ["~ channel main.t1", "~ channel main.t2"]
    close(field)
    assert field.total("grid") == (pytest.approx(160), pytest.approx(80))
    (first, *_) = field.hours("grid")
    assert first["version"] == 2
    assert "main.t1 scale 30.0 -> 40.0" in first["reason"]


def test_a_changed_formula_restates_the_sources_that_use_it(field: FieldBench) -> None:
    field.apply(file_of())
    field.deliver(day_of("works"), at=_START + 5 * HOUR)
    close(field)
    changes = field.apply(file_of(rest="main.t1 + main.t2 - 0.5 * hall.e"))
    assert changes == [
        "~ derived channel hall.rest: main.t1 + main.t2 - 0.5 * hall.e",
        "~ source rest",
    ]
    close(field)
    assert field.total("rest")[0] == pytest.approx(35 * (4 * 3600 - 34) / 3600, rel=1e-9)
    assert field.total("grid") == (pytest.approx(160), pytest.approx(80))
    assert "rest derived" in field.hours("rest")[1]["reason"]


def test_late_readings_of_an_input_are_the_reason(field: FieldBench) -> None:
    field.apply(file_of())
    messages = day_of("works")
    field.deliver([m for m in messages if "hall" not in m[0]], at=_START + 5 * HOUR)
    close(field)
    assert field.hours("rest") == []
    field.deliver([m for m in messages if "hall" in m[0]], at=_START + 9 * HOUR)
    close(field)
    assert field.total("rest")[0] == pytest.approx(30 * (4 * 3600 - 34) / 3600, rel=1e-9)
    late = message("works", "hall", _START + 33 * _MINUTE, e=7.0054)
    field.deliver([late], at=_START + 10 * HOUR)
    field.settle(_START + 10 * HOUR)
    assert field.hours("rest")[0]["reason"] == "late readings: hall.e"


def test_closed_hours_of_a_derived_channel_verify_through_changes(field: FieldBench) -> None:
    field.apply(file_of(scale="30"))
    field.deliver(day_of("works"), at=_START + 5 * HOUR)
    field.connection.execute("UPDATE factor SET known_from = known_from - interval '1 day'")
    close(field)
    field.apply(file_of(rest="main.t1 - hall.e"))
    field.settle(_START + 9 * HOUR)
    first = int(_START.timestamp()) // 3600
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        for of in final_hours.sources(connection, None):
            found = verify.step(connection, plan, of, first, first + 4, datetime.now(UTC))
            assert found.checked >= 4
            assert found.differences == ()


def test_the_example_of_the_manual_can_be_applied(field: FieldBench) -> None:
    field.apply(ROOT / "deploy/examples/meters/transformer-two-tariffs.yaml")


def test_a_derived_channel_is_not_published(field: FieldBench) -> None:
    field.apply(file_of())
    field.deliver([message("works", "main", _START, **{"import": 3.0})], at=_START)
    assert [row["reason"] for row in field.quarantine()] == ["unknown_channel"]


def test_a_gauge_is_in_its_unit_after_scale_and_offset(field: FieldBench) -> None:
    field.apply("""
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: loop
    channels:
      - {id: p, quantity: power, unit: kW, kind: gauge, scale: 6.25, offset: -25, range: [0, 100]}
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources: [{id: s, scope: 2, method: activity, input: loop.p, factor: f}]
""")
    # 12 mA of 4 to 20 are 50 kW; 3.5 mA are a broken wire
    at = [_START + k * _MINUTE for k in range(61)]
    field.deliver([message("works", "loop", t, p=12.0) for t in at], at=at[-1])
    field.deliver([message("works", "loop", at[-1] + _MINUTE, p=3.5)], at=at[-1] + _MINUTE)
    field.settle(_START + 2 * HOUR)
    activity = field.hours("s")[0]["activity"]
    assert float(activity) == pytest.approx(50.0)
    (refused,) = field.quarantine()
    assert refused["reason"] == "out_of_range"
    assert "3.5 as sent, -3.125 kW, is outside 0 to 100" in refused["detail"]
    assert field.readings("loop.p")[0][1] == 12.0
