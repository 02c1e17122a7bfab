"""Masses that no total can hold are their source's own matter, minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.core.accounting.minute_rounding import MAX_BILLIONTHS
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant

START = instant("2026-06-15T09:00:00Z")

_FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 120}
      - {id: energy, quantity: energy, unit: kWh, kind: counter}
      - {id: quarter, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: start}
      - {id: other, quantity: power, unit: kW, kind: gauge, max_gap: 120}
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
factors:
  - {id: f, unit: kWh, co2_kg: 0.25, citation: a}
sources:
  - {id: gauge, scope: 2, method: activity, input: meter.power, factor: f}
  - {id: counter, scope: 2, method: activity, input: meter.energy, factor: f}
  - {id: interval, scope: 2, method: activity, input: meter.quarter, factor: f}
  - {id: other, scope: 2, method: activity, input: meter.other, factor: f}
  - {id: stack, scope: 1, method: stack, equation: F-11,
     inputs: {co2: cems.co2, flow: cems.flow}}
"""


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, _FILE)
    yield plant
    plant.close()


def _at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def _kg(plant: Plant) -> dict[str, float]:
    rows = plant.rows(
        "SELECT s.slug, sum(h.co2_ug) / 1e9 FROM emission_hour h"
        " JOIN source s ON s.id = h.source_id GROUP BY 1"
    )
    return {source: float(kg) for source, kg in rows}


def _notes(plant: Plant) -> list[tuple[Any, ...]]:
    return plant.rows("SELECT kind, name FROM set_aside ORDER BY 2")


def _windows_are_right(plant: Plant) -> None:
    assert plant.rows(
        "SELECT count(*) FROM rolling_total r WHERE co2_ug <> (SELECT coalesce("
        " sum(co2_ug + closing_ug), 0) FROM emission_minute m WHERE m.source_id = r.source_id"
        " AND m.minute BETWEEN r.since AND r.upto)"
    ) == [(0,)]


@pytest.mark.parametrize("value", [3.4028235e38, 1e12, -1e12, 1.7976931348623157e308, 1e60])
def test_a_value_that_cannot_be_leaves_its_minutes_unknown_and_nothing_else(
    plant: Plant, value: float
) -> None:
    for minute in range(10):
        bad = 4 <= minute < 6
        plant.store(
            [
                Reading("meter.power", _at(minute), value if bad else 60.0),
                Reading("meter.other", _at(minute), 60.0),
                Reading("cems.co2", _at(minute), 10.0),
                Reading("cems.flow", _at(minute), 1e3 * value if bad else 1e5),
            ]
        )
        plant.tick(_at(minute + 0.5))
    plant.tick(_at(12))
    kg = _kg(plant)
    # each value holds for two minutes at most
    assert kg["other"] == pytest.approx(11 * 0.25)
    assert kg["gauge"] == pytest.approx(9 * 0.25)
    assert 0 < kg["stack"] < 1e5
    assert plant.rows(
        "SELECT count(*) FROM emission_minute m JOIN source s ON s.id = m.source_id"
        " WHERE slug = 'gauge' AND covered_ms = 0 AND co2_ug = 0 AND activity IS NULL"
    ) in ([(0,)], [(2,)])
    if abs(value) <= 1e60:
        assert ("masses", "gauge") in _notes(plant)
    assert ("masses", "other") not in _notes(plant)
    _windows_are_right(plant)


def test_a_register_and_an_interval_that_show_the_impossible(plant: Plant) -> None:
    plant.store(
        [
            *[Reading("meter.energy", _at(k), 100.0 + k) for k in range(5)],
            *[Reading("meter.energy", _at(k), 3.4028235e38) for k in (5, 6, 7)],
            *[Reading("meter.energy", _at(k), 3.4028235e38 + 1e33) for k in (8, 9)],
            Reading("meter.quarter", _at(0), 15.0),
            Reading("meter.quarter", _at(15), 1e20),
            Reading("meter.quarter", _at(30), 15.0),
            *[Reading("meter.other", _at(k), 60.0) for k in range(45)],
        ]
    )
    plant.tick(_at(46))
    kg = _kg(plant)
    assert kg["counter"] == pytest.approx(4 * 0.25)
    assert kg["interval"] == pytest.approx(30 * 0.25)
    assert kg["other"] == pytest.approx(46 * 0.25)
    assert _notes(plant) == [("masses", "counter"), ("masses", "interval")]


def test_a_range_that_is_given_later_makes_gaps_of_them_and_the_source_recovers(
    plant: Plant, database_url: str
) -> None:
    plant.store(
        [Reading("meter.power", _at(k), 1e12 if k in {3, 4, 7} else 60.0) for k in range(10)]
    )
    plant.tick(_at(12))
    assert _notes(plant) == [("masses", "gauge")]
    ((reason,),) = plant.rows("SELECT reason FROM set_aside")
    assert "meter.power" in reason
    assert "range" in reason
    apply_text(
        database_url,
        _FILE.replace("id: power, quantity", "id: power, range: [0, 1000], quantity"),
    )
    plant.tick(_at(13))
    assert _notes(plant) == []
    assert _kg(plant)["gauge"] == pytest.approx(8 * 0.25)
    _windows_are_right(plant)


def test_readings_that_are_taken_away_or_corrected_let_the_source_recover(plant: Plant) -> None:
    plant.store([Reading("meter.power", _at(k), 1e12 if k == 3 else 60.0) for k in range(10)])
    plant.tick(_at(12))
    assert _notes(plant) == [("masses", "gauge")]
    plant.connection.execute("UPDATE reading SET value = 60 WHERE value = 1e12")
    plant.connection.execute(
        "INSERT INTO touched (facility_id, channel_ids, minutes, reason)"
        " VALUES (%s, %s, %s, 'accepted correction: by somebody')",
        (plant.facility_id, [plant.channels["meter.power"]], [int(_at(3).timestamp()) // 60]),
    )
    plant.tick(_at(12))
    assert _notes(plant) == []
    assert _kg(plant)["gauge"] == pytest.approx(11 * 0.25)
    _windows_are_right(plant)


def test_a_factor_without_sense_is_its_sources_own_matter_and_mended_by_a_better_one(
    plant: Plant, database_url: str
) -> None:
    plant.store(
        [Reading(f"meter.{c}", _at(k), 60.0) for c in ("power", "other") for k in range(10)]
    )
    plant.tick(_at(12))
    assert _kg(plant)["gauge"] == pytest.approx(11 * 0.25)
    plant.connection.execute("UPDATE factor SET co2_kg = 1e30")
    plant.connection.execute("UPDATE registry_revision SET revision = revision + 1")
    plant.connection.execute(
        "INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason, step)"
        " SELECT %s, id, %s, %s, 'factor version: mistaken', 'factor' FROM source"
        " WHERE slug = 'gauge'",
        (plant.facility_id, int(START.timestamp()) // 60, int(_at(60).timestamp()) // 60),
    )
    plant.tick(_at(13))
    assert _notes(plant) == [("masses", "gauge")]
    assert _kg(plant)["gauge"] == 0
    apply_text(database_url, _FILE.replace("co2_kg: 0.25", "co2_kg: 0.5"))
    plant.tick(_at(14))
    assert _kg(plant)["gauge"] == pytest.approx(11 * 0.5)
    assert _notes(plant) == []
    _windows_are_right(plant)


def test_an_hour_and_its_windows_hold_the_most_that_minutes_can(plant: Plant) -> None:
    max_kw = MAX_BILLIONTHS / 1e9 * 60 * 0.999
    store = plant.store
    store([Reading("meter.power", _at(k), max_kw) for k in range(180)])
    plant.tick(_at(183))
    ((first,),) = plant.rows("SELECT max(activity_n) FROM emission_hour")
    assert first > 5.9e17 * 5
    # from one end of what can be told to the other
    plant.connection.execute("UPDATE reading SET value = -value")
    plant.connection.execute(
        "INSERT INTO touched (facility_id, channel_ids, minutes) SELECT %s, array_agg(%s::int4),"
        " array_agg(m) FROM generate_series(%s::int4, %s::int4) AS m",
        (
            plant.facility_id,
            plant.channels["meter.power"],
            int(START.timestamp()) // 60,
            int(START.timestamp()) // 60 + 179,
        ),
    )
    plant.tick(_at(184))
    ((last,),) = plant.rows("SELECT min(activity_n) FROM emission_hour")
    assert last == -first
    _windows_are_right(plant)
    assert _notes(plant) == []
