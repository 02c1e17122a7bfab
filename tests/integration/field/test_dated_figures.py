"""Transformers that are replaced and monitors that are calibrated anew: each time by its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.aggregator.audit import verify
from services.api.models.explain import explain_body
from services.core.store.answers.explain import explain_hour
from services.core.store.database.connect import connect
from services.core.store.emissions import final_hours
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import HOUR
from tests.integration.field.bench import FieldBench

_START = datetime(2026, 3, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)

_FILE = """
facility: {{id: works, name: Works, timezone: UTC}}
devices:
  - id: main
    channels:
      - {{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 400, scale: {scale}}}
      - {{id: p, quantity: power, unit: kW, kind: gauge, max_gap: 150, range: [0, 100]{gauge}}}
factors: [{{id: f, unit: kWh, co2_kg: 0.5, citation: a}}]
sources:
  - {{id: grid, scope: 2, method: activity, input: main.e, factor: f, lateness: 2h}}
  - {{id: load, scope: 1, method: activity, input: main.p, factor: f, lateness: 2h}}
"""
_REPLACED = "[{value: 40}, {from: '2026-03-01T02:00:00Z', value: 60}]"
_FUNCTION = "{valid_from: '2026-03-01T02:00:00Z', a: 1, b: 1.1, citation: report 12}"


def file_of(scale: str = _REPLACED, *functions: str) -> str:
    gauge = f", calibration_functions: [{', '.join(functions)}]" if functions else ""
    return _FILE.format(scale=scale, gauge=gauge)


def message(at: datetime, **values: float) -> tuple[str, str]:
    payload = {"ts": at.isoformat(), "values": values}
    return "emissions/works/main/readings", json.dumps(payload)


def four_hours(field: FieldBench) -> None:
    """The register shows 1 an hour, read off the change; the load is 50 as it is shown."""
    field.deliver(
        [message(_START + k * _MINUTE, e=100 + k / 60, p=50.0) for k in range(241) if k % 7],
        at=_START + 5 * HOUR,
    )


def close(field: FieldBench) -> None:
    field.settle(_START + 8 * HOUR)
    # an hour that changed just now is still being filled
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 h'")
    field.settle(_START + 9 * HOUR)


def activities(field: FieldBench, source: str) -> list[float]:
    return [float(hour["activity"]) for hour in field.hours(source)]


def test_a_replaced_transformer_counts_from_its_instant_on(field: FieldBench) -> None:
    field.apply(file_of())
    four_hours(field)
    close(field)
    # the last hour ends, and the first begins, with a reading off the hour
    assert activities(field, "grid")[1:3] == [pytest.approx(40), pytest.approx(60)]
    total = field.total("grid")[0]
    assert total == pytest.approx(119 / 60 * 40 + 2 * 60)
    # the file had the wrong day: what it was known by then changes, and says why
    field.apply(file_of("[{value: 40}, {from: '2026-03-01T01:00:00Z', value: 60}]"))
    close(field)
    assert field.total("grid")[0] == pytest.approx(59 / 60 * 40 + 3 * 60)
    hours = field.hours("grid")
    assert [hour["version"] for hour in hours] == [1, 2, 1, 1]
    assert (
        "main.e scale 60.0 from 2026-03-01T02:00:00Z -> 60.0 from 2026-03-01T01:00:00Z"
        in hours[1]["reason"]
    )
    assert all(value is not None and value < 110 for _, value, _ in field.readings("main.e"))


def test_a_function_that_is_entered_later_restates_from_its_instant_on(
    field: FieldBench,
) -> None:
    field.apply(file_of())
    four_hours(field)
    field.connection.execute("UPDATE factor SET known_from = known_from - interval '1 day'")
    close(field)
    assert activities(field, "load")[1:3] == [pytest.approx(50), pytest.approx(50)]
    field.apply(file_of(_REPLACED, _FUNCTION))
    field.settle(_START + 9 * HOUR)
    assert activities(field, "load")[1:3] == [pytest.approx(50), pytest.approx(56)]
    assert [hour["version"] for hour in field.hours("load")][:3] == [1, 1, 2]
    earlier = "{valid_from: '2026-03-01T01:00:00Z', a: 0, b: 1.02, citation: report 11}"
    field.apply(file_of(_REPLACED, earlier, _FUNCTION))
    field.settle(_START + 9 * HOUR)
    assert activities(field, "load")[1:3] == [pytest.approx(51), pytest.approx(56)]
    assert [hour["version"] for hour in field.hours("load")][:3] == [1, 2, 2]
    assert (
        "main.p calibration_functions none -> 0.0 + 1.02 x from 2026-03-01T01:00:00Z"
        in field.hours("load")[1]["reason"]
    )
    assert {value for _, value, _ in field.readings("main.p")} == {50.0}
    first = int(_START.timestamp()) // 3600
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        for of in final_hours.sources(connection, None):
            found = verify.step(connection, plan, of, first, first + 4, datetime.now(UTC))
            assert found.checked >= 4
            assert found.differences == ()


def test_what_is_plausible_is_judged_by_what_is_in_force_at_the_readings_time(
    field: FieldBench,
) -> None:
    field.apply(file_of(_REPLACED, _FUNCTION))
    before, after = _START + HOUR, _START + 3 * HOUR
    # 95 shown is 105.5 by the function
    field.deliver([message(before, p=95.0), message(after, p=95.0)], at=after)
    (refused,) = field.quarantine()
    assert refused["ts"] == after
    assert "95.0 as sent, 105.5 kW, is outside 0 to 100" in refused["detail"]
    # rounding is not below zero, and what is stored stays as it came
    field.deliver(
        [message(before + _MINUTE, p=-1e-9), message(before - _MINUTE, p=-1e-3)], at=after
    )
    assert [entry["value"] for entry in field.quarantine()] == [95.0, -1e-3]
    assert -1e-9 in {value for _, value, _ in field.readings("main.p")}


def test_an_explanation_has_all_that_was_in_force_in_the_hour(field: FieldBench) -> None:
    half = "2026-03-01T02:30:00Z"
    gauge = f", scale: [{{value: 2}}, {{from: '{half}', value: 3}}], full_scale: 60"
    text = _FILE.format(scale="40", gauge=gauge).replace("range: [0, 100]", "range: [0, 200]")
    field.apply(text)
    hour = _START + 2 * HOUR
    field.deliver([message(hour + k * _MINUTE, p=25.0) for k in range(60)], at=hour + HOUR)
    field.settle(hour + 2 * HOUR)
    with connect(field.url, process="test", autocommit=True) as connection:
        found = explain_hour(
            connection, facility="works", source="load", hour=hour, as_of=hour + 9 * HOUR * 1000
        )
    body = explain_body(found, facility="works", source="load", hour=hour, as_of=hour)
    (load,) = body["inputs"]
    # 50 kW for half an hour, 75 for the other
    assert load["mean"] == pytest.approx(62.5)
    assert load["readings"]["over_full_scale"] == 30
    assert [(terms["from"], terms["scale"]) for terms in load["in_force"]] == [
        (None, 2.0),
        (datetime.fromisoformat(half), 3.0),
    ]
    assert load["scale"] == 2.0


def test_only_what_a_changed_entry_touches_is_computed_again(field: FieldBench) -> None:
    field.apply(file_of())
    field.deliver([message(_START - timedelta(days=3), p=50.0, e=1.0)], at=_START)
    four_hours(field)
    field.settle(_START + 5 * HOUR)

    def queued(*arguments: str) -> list[tuple[str, datetime]]:
        field.apply(file_of(*arguments))
        rows = field.rows(
            "SELECT s.slug, minute_start(r.from_minute) AS begins FROM recompute r"
            " JOIN source s ON s.id = r.source_id ORDER BY 1"
        )
        field.settle(_START + 5 * HOUR)
        return [(row["slug"], row["begins"]) for row in rows]

    # of a gauge from a day before the function's instant on, of a register all of it
    begins = datetime(2026, 2, 28, 2, tzinfo=UTC)
    assert queued(_REPLACED, _FUNCTION) == [("load", begins)]
    ((source, first),) = queued("[{value: 40}]", _FUNCTION)
    assert source == "grid"
    assert first < _START - timedelta(days=3)
    # the same in another form counts the same
    assert queued("40", _FUNCTION) == []
