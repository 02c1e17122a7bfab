"""Meters that measure both ways: export is no negative emission."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.aggregator.audit import verify
from services.core.facility.checks import warnings
from services.core.facility.file import FacilityFileError, parse
from services.core.store.database.connect import connect
from services.core.store.emissions import final_hours
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import HOUR
from tests.integration.field.bench import FieldBench

_START = datetime(2026, 3, 1, tzinfo=UTC)

_FILE = """
facility: {{id: works, name: Works, timezone: UTC}}
devices:
  - id: meter
    channels: [{{id: e, {channel}}}]
factors: [{{id: f, unit: kWh, co2_kg: 0.5, citation: a}}]
sources:
  - {{id: grid, scope: {scope}, method: activity, input: meter.e, factor: f, lateness: 1h}}
"""
_QUARTERS = "quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: start"
_POWER = "quantity: power, unit: kW, kind: gauge, max_gap: 15m"
_BOTH = ", direction: both"


def file_of(channel: str, scope: int = 2) -> str:
    return _FILE.format(channel=channel, scope=scope)


def told(minute: float, value: float | None, channel: str = "e") -> tuple[str, str]:
    at = _START + timedelta(minutes=minute)
    return "emissions/works/meter/readings", json.dumps(
        {"ts": at.isoformat(), "values": {channel: value}}
    )


def quarters() -> list[tuple[str, str]]:
    return [told(15 * k, kwh) for k, kwh in enumerate((10, -20, 10, 10))]


def hour_of(field: FieldBench) -> tuple[float, float, float, str]:
    """Return activity, export, kg CO2 and quality of the first hour."""
    (row, *_) = field.rows(
        "SELECT activity_n / 1e9 AS activity, exported_n / 1e9 AS exported, co2_ug / 1e9 AS kg,"
        " quality FROM emission_hour ORDER BY hour"
    )
    return float(row["activity"]), float(row["exported"]), float(row["kg"]), row["quality"]


@pytest.mark.vector
def test_gross_scope_2_beside_export(field: FieldBench) -> None:
    """Vector E8."""
    field.apply(file_of(_QUARTERS + _BOTH))
    field.deliver(quarters(), at=_START + HOUR)
    field.settle(_START + 2 * HOUR)
    assert hour_of(field) == (30.0, 20.0, 15.0, "measured")


def test_a_direction_changes_the_channel_and_what_it_feeds(field: FieldBench) -> None:
    field.apply(file_of(_POWER))
    assert field.apply(file_of(_POWER + _BOTH)) == ["~ channel meter.e", "~ source grid"]
    assert field.apply(file_of(_POWER + _BOTH).replace("name: Works", "name: Mill")) == [
        "~ facility works"
    ]
    notified = file_of(_POWER + _BOTH) + "notify: [{mqtt: false}]\n"
    assert field.apply(notified) == ["~ facility works"]


@pytest.mark.vector
def test_without_a_direction_export_is_refused_with_advice(field: FieldBench) -> None:
    """Vector E8."""
    field.apply(file_of(_QUARTERS))
    field.deliver(quarters(), at=_START + HOUR)
    field.settle(_START + 2 * HOUR)
    assert hour_of(field) == (30.0, 0.0, 15.0, "partial")
    (refused,) = field.quarantine()
    assert refused["reason"] == "below_zero"
    assert "-20 kWh is below zero" in refused["detail"]
    assert "direction: both" in refused["detail"]
    # what was refused is there once the file says so, and the hour is restated
    field.apply(file_of(_QUARTERS + _BOTH))
    field.replay()
    field.settle(_START + 2 * HOUR)
    assert hour_of(field) == (30.0, 20.0, 15.0, "measured")


def test_export_is_verified(field: FieldBench) -> None:
    field.apply(file_of(_QUARTERS + _BOTH))
    field.connection.execute("UPDATE factor SET known_from = known_from - interval '1 day'")
    field.deliver(quarters(), at=_START + HOUR)
    field.settle(_START + 3 * HOUR)
    field.connection.execute(
        "UPDATE emission_hour SET known_at = known_at - interval '1 h',"
        " opened_at = opened_at - interval '1 h'"
    )
    field.settle(_START + 4 * HOUR)
    hour = int(_START.timestamp()) // 3600
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        (source,) = final_hours.sources(connection, None)
        found = verify.step(connection, plan, source, hour, hour, datetime.now(UTC))
        assert (found.checked, found.differences) == (1, ())
        connection.execute("UPDATE emission_hour SET exported_n = exported_n + 1")
        found = verify.step(connection, plan, source, hour, hour, datetime.now(UTC))
    # neither what the readings come to, nor the sum of the minutes
    assert [(difference.kind, difference.figures) for difference in found.differences] == [
        ("readings", ("exported_n",)),
        ("minutes", ("exported_n",)),
    ]


def test_what_is_stored_already_is_told_apart_when_the_file_says_so(field: FieldBench) -> None:
    # nobody bought it: a scope 3 source of a process that returns some
    field.apply(file_of(_QUARTERS, scope=3))
    field.deliver(quarters(), at=_START + HOUR)
    field.settle(_START + 2 * HOUR)
    assert hour_of(field)[:3] == (10.0, 0.0, 5.0)
    field.apply(file_of(_QUARTERS + _BOTH, scope=3))
    field.settle(_START + 2 * HOUR)
    assert hour_of(field)[:3] == (30.0, 20.0, 15.0)


def test_power_is_told_apart_by_reading_not_by_minute(field: FieldBench) -> None:
    field.apply(file_of(_POWER + _BOTH + ", scale: 2"))
    seconds = range(0, 3601, 10)
    field.deliver([told(s / 60, 60.0 if s // 10 % 3 else -30.0) for s in seconds], at=_START + HOUR)
    field.settle(_START + 2 * HOUR)
    activity, exported, kg, _ = hour_of(field)
    assert (activity, exported) == (pytest.approx(80.0), pytest.approx(20.0))
    assert kg == pytest.approx(40.0)


def test_power_that_is_refused_ends_the_hold_of_the_value_before(field: FieldBench) -> None:
    field.apply(file_of(_POWER))
    field.deliver([told(0, 6.0), told(5, -3.0), told(10, 6.0), told(20, 6.0)], at=_START + HOUR)
    field.settle(_START + HOUR)
    assert [row["reason"] for row in field.quarantine()] == ["below_zero"]
    # 5 minutes, and from 10 on to 15 minutes after the last
    assert hour_of(field)[0] == pytest.approx(6.0 * 30 / 60)
    assert field.readings("meter.e")[1][1:] == (None, 2)


def test_an_export_register_emits_nothing(field: FieldBench) -> None:
    register = "quantity: energy, unit: kWh, kind: counter, max_rate: 100, direction: export"
    field.apply(file_of(register))
    field.deliver([told(0, 500.0), told(60, 512.0)], at=_START + HOUR)
    field.settle(_START + 2 * HOUR)
    assert hour_of(field) == (0.0, pytest.approx(12.0), 0.0, "measured")


def test_a_derived_channel_has_a_direction_too(field: FieldBench) -> None:
    field.apply("""
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels:
      - {id: load, quantity: power, unit: kW, kind: gauge, max_gap: 15m}
      - {id: pv, quantity: power, unit: kW, kind: gauge, max_gap: 15m}
      - {id: e, quantity: power, unit: kW, kind: derived, formula: load - pv, direction: both}
      - {id: use, quantity: power, unit: kW, kind: derived, formula: grid + pv}
      - {id: grid, quantity: power, unit: kW, kind: gauge, max_gap: 15m, direction: both}
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.e, factor: f}
  - {id: use, scope: 3, method: activity, input: meter.use, factor: f}
""")
    for k, (load, pv) in enumerate(((10, 4), (10, 30), (10, 10), (10, 0))):
        field.deliver(
            [
                told(15 * k, load, "load"),
                told(15 * k, pv, "pv"),
                told(15 * k, load - pv, "grid"),
            ],
            at=_START + HOUR,
        )
    field.settle(_START + 2 * HOUR)
    rows = field.rows(
        "SELECT s.slug, activity_n / 1e9 AS activity, exported_n / 1e9 AS exported"
        " FROM emission_hour h JOIN source s ON s.id = h.source_id ORDER BY 1"
    )
    assert [(r["slug"], float(r["activity"]), float(r["exported"])) for r in rows] == [
        ("grid", pytest.approx(4.0), pytest.approx(5.0)),
        # the meter's sign holds in a formula
        ("use", pytest.approx(10.0), 0.0),
    ]


def test_registers_and_other_channels_are_as_they_were(field: FieldBench) -> None:
    field.apply(file_of("quantity: energy, unit: kWh, kind: counter, max_rate: 100"))
    field.deliver([told(0, -3.0), told(60, 2.0)], at=_START + HOUR)
    assert field.quarantine() == []


def test_where_a_direction_makes_no_sense() -> None:
    for channel, says in (
        ("quantity: energy, unit: kWh, kind: counter, direction: both", "counts one way"),
        ("quantity: mass, unit: kg, kind: counter, direction: export", "belongs to energy and"),
    ):
        with pytest.raises(FacilityFileError, match=says):
            parse(file_of(channel))
    ranged = file_of(_QUARTERS + ", range: [-50, 50]")
    assert any("give direction: both to tell export apart" in w for w in warnings(parse(ranged)))
    told_apart = ranged.replace("range:", "direction: both, range:")
    assert not any("direction" in w for w in warnings(parse(told_apart)))
