"""A corrected factor: hours and windows have its masses at once, their minutes follow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.aggregator import follow_factor, restate_factor
from services.core.store.emissions import deferred_minutes, minute_history
from services.core.timeline.intervals import Interval
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant, some_readings
from tests.integration.packed import PackedPlant, pack_some_minutes, unpack_all_minutes

#: Days begin in the middle of a UTC hour; the factor's versions meet in the middle of the readings,
#: and so do two chunks of minutes.
FILE = """
facility: {id: works, name: Works, timezone: Asia/Kolkata}
devices:
  - id: meter
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter, max_rate: 1000}
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 120}
      - {id: quarter, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end}
      - {id: gas, quantity: volume, unit: m3, kind: interval, length: 15m, stamp: start}
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 180}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 180}
factors:
  - {id: f, unit: kWh, co2_kg: 0.2551, ch4_kg: 0.00001, n2o_kg: 0.000003, valid_from: 2020-01-01,
     valid_to: 2026-06-04, citation: a}
  - {id: f, unit: kWh, co2_kg: 0.2, valid_from: 2026-06-04, citation: b}
  - {id: market, unit: kWh, co2_kg: 0.1, valid_from: 2026-06-04, citation: c}
  - {id: gas, unit: kWh, basis: gross, co2_kg: 0.18, valid_from: 2020-01-01, citation: d}
sources:
  - {id: by-counter, scope: 2, method: activity, input: meter.energy, factor: f}
  - {id: stack, scope: 1, method: stack, equation: F-11, inputs: {co2: cems.co2, flow: cems.flow}}
  - {id: by-gas, scope: 1, method: activity, input: meter.gas, factor: gas, calorific_value: 39.31}
  - {id: by-gauge, scope: 2, method: activity, input: meter.power, factor: f, market_factor: market}
  - {id: by-interval, scope: 2, method: activity, input: meter.quarter, factor: f}
"""
CORRECTED = (
    FILE.replace("co2_kg: 0.2551", "co2_kg: 0.2553")
    .replace("n2o_kg: 0.000003", "n2o_kg: 0.000004")
    .replace("co2_kg: 0.1,", "co2_kg: 0.11,")
    .replace("co2_kg: 0.18,", "co2_kg: 0.1811,")
)
CORRECTED_AGAIN = CORRECTED.replace("co2_kg: 0.2553", "co2_kg: 0.31")

START = instant("2026-06-03T23:10:00+05:30")
NOW = instant("2026-06-04T08:07:00+05:30")

IN_FORCE = """
SELECT source_id, minute, co2_ug, co2e_ug, market_ug, activity_n, covered_ms, estimated_ms
FROM minute_in_force WHERE covered_ms > 0 ORDER BY 1, 2
"""
HOURS_THAT_ARE_NOT_THEIR_MINUTES = """
SELECT h.source_id, h.hour FROM emission_hour h CROSS JOIN LATERAL (
    SELECT sum(co2_ug + closing_ug) AS co2_ug, sum(co2e_ug + closing_ug) AS co2e_ug,
           sum(market_ug + closing_ug) AS market_ug
    FROM minute_in_force m WHERE m.source_id = h.source_id
       AND m.minute >= h.hour AND m.minute < h.hour + interval '1 hour') m
WHERE (h.co2_ug, h.co2e_ug, h.market_ug) IS DISTINCT FROM (m.co2_ug, m.co2e_ug, m.market_ug)
"""
WINDOWS_THAT_ARE_NOT_THEIR_MINUTES = """
SELECT r.source_id, r.span FROM rolling_total r CROSS JOIN LATERAL (
    SELECT coalesce(sum(co2_ug), 0) AS co2_ug, coalesce(sum(co2e_ug), 0) AS co2e_ug,
           coalesce(sum(market_ug), 0) AS market_ug
    FROM minute_in_force m WHERE m.source_id = r.source_id
       AND m.minute BETWEEN r.since AND r.upto) m
WHERE (r.co2_ug, r.co2e_ug, r.market_ug) IS DISTINCT FROM (m.co2_ug, m.co2e_ug, m.market_ug)
"""


@pytest.fixture
def plant(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    # small steps, so that there are many
    monkeypatch.setattr(restate_factor, "_STEP_MINUTES", 900)
    monkeypatch.setattr(follow_factor, "_MINUTES", 301)
    plant = Plant(database_url, FILE)
    yield plant
    plant.close()


@pytest.fixture
def packed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackedPlant]:
    monkeypatch.setattr(restate_factor, "_STEP_MINUTES", 900)
    monkeypatch.setattr(follow_factor, "_MINUTES", 301)
    plant = PackedPlant(database_url, FILE)
    yield plant
    assert plant.packed_minutes > 20
    plant.close()


def readings(rng: random.Random) -> list[Reading]:
    found = some_readings(rng, START, 8)
    found += [
        Reading("meter.gas", START + timedelta(minutes=15 * n - 10), round(rng.uniform(0, 9), 3))
        for n in range(30)
    ]
    return found


def close(plant: Plant) -> None:
    plant.tick(NOW)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    plant.tick(NOW + timedelta(minutes=1))


def sound(plant: Plant) -> None:
    assert plant.rows(HOURS_THAT_ARE_NOT_THEIR_MINUTES) == []
    assert plant.rows(WINDOWS_THAT_ARE_NOT_THEIR_MINUTES) == []


def totals(plant: Plant) -> dict[str, list[tuple[Any, ...]]]:
    rolling = (
        "SELECT source_id, span, since, upto, co2_ug, co2e_ug, market_ug, covered_ms, estimated_ms"
        " FROM rolling_total ORDER BY 1, 2"
    )
    return {**plant.totals(), "minutes": plant.rows(IN_FORCE), "rolling": plant.rows(rolling)}


@pytest.mark.parametrize("seed", range(2))
def test_stored_amounts_give_what_readings_give_whatever_comes_between(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    every = readings(rng)
    late = sorted(rng.sample(range(len(every)), 40))
    plant.store([each for i, each in enumerate(every) if i not in late])
    close(plant)
    # no step goes beyond a chunk
    assert len(plant.rows("SELECT show_chunks('public.emission_minute')")) == 2
    final = plant.rows("SELECT count(*) FROM emission_hour WHERE final")
    apply_text(database_url, CORRECTED)

    # nothing follows yet
    monkeypatch.setattr(deferred_minutes, "step", lambda *_: False)
    plant.tick(NOW + timedelta(minutes=1))
    assert plant.rows("SELECT 1 FROM recompute") == []
    assert plant.rows("SELECT count(DISTINCT source_id) FROM following_minutes") == [(4,)]
    sound(plant)
    # readings arrive, windows move on, and half of the minutes are to follow something else again
    for n in range(4):
        plant.store([every[i] for i in late[n::4]])
        plant.tick(NOW + timedelta(minutes=2 + n))
        sound(plant)
    apply_text(database_url, CORRECTED_AGAIN)
    plant.tick(NOW + timedelta(minutes=6))
    sound(plant)
    before = totals(plant)

    monkeypatch.undo()
    monkeypatch.setattr(follow_factor, "_MINUTES", 301)
    # those of packed days do when they are opened
    unpack_all_minutes(plant.connection)
    plant.tick(NOW + timedelta(minutes=6))
    assert plant.rows("SELECT 1 FROM following_minutes") == []
    assert plant.totals()["minutes"] == [(*r[:4], *r[5:]) for r in before["minutes"]]
    assert totals(plant) == before
    assert plant.rows("SELECT count(*) FROM emission_hour WHERE final") == final

    plant.empty()
    plant.store(every)
    plant.tick(NOW + timedelta(minutes=6))
    again = totals(plant)
    for name, rows in before.items():
        assert rows == again[name], name


def test_stored_amounts_give_what_readings_give_over_packed_days(
    packed: PackedPlant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_stored_amounts_give_what_readings_give_whatever_comes_between(
        packed, database_url, monkeypatch, 1
    )


def test_a_packed_day_has_a_new_factors_masses_at_once_and_stays_packed(
    plant: Plant, database_url: str
) -> None:
    plant.store(readings(random.Random(7)))
    close(plant)
    assert pack_some_minutes(plant.connection, random.Random(1)) == 10
    packed = plant.rows("SELECT source_id, day, id FROM packed_minutes ORDER BY 1, 2")
    apply_text(database_url, CORRECTED)
    plant.tick(NOW + timedelta(minutes=1))
    assert plant.rows("SELECT source_id, day, id FROM packed_minutes ORDER BY 1, 2") == packed
    assert plant.rows("SELECT count(*) FROM emission_minute") == [(0,)]
    # a row for each source and factor, however long
    ((pieces,),) = plant.rows("SELECT count(*) FROM following_minutes WHERE packed")
    assert pieces == len(plant.rows("SELECT 1 FROM following_minutes"))
    assert pieces <= 4 * 3
    with plant.connection.transaction():
        ever = [Interval(start=0, end=2**31 - 1)]
        minute_history.open_intervals(plant.connection, list(plant.sources.values()), ever)
        sound(plant)
        seen = plant.rows(IN_FORCE)
    for source_id in plant.sources.values():
        arrays = minute_history.packed(plant.connection, [source_id], 0, 2**31 - 1)
        of_source = [row[2:5] for row in seen if row[0] == source_id]
        figures = [arrays.minutes.figures[name] for name in ("co2_ug", "co2e_ug", "market_ug")]
        known = arrays.minutes.figures["covered_ms"] > 0
        assert list(zip(*(f[known].tolist() for f in figures), strict=True)) == of_source
    # opened, they follow like others
    unpack_all_minutes(plant.connection)
    assert plant.rows("SELECT 1 FROM following_minutes WHERE packed") == []
    plant.tick(NOW + timedelta(minutes=1))
    assert plant.rows("SELECT 1 FROM following_minutes") == []
    assert plant.rows(IN_FORCE) == seen
    sound(plant)


def test_the_ledger_has_one_version_for_each_hour_and_change(
    plant: Plant, database_url: str
) -> None:
    plant.store(readings(random.Random(7)))
    close(plant)
    apply_text(database_url, CORRECTED, by="user berta")
    plant.tick(NOW + timedelta(minutes=1))
    changed = plant.rows(
        "SELECT s.slug, count(*), min(h.version), max(h.version), bool_and(h.final),"
        " bool_and(h.reason LIKE 'factor version: %applied by user berta'),"
        " bool_and(h.known_at = p.superseded_at),"
        " bool_and((h.co2e_ug, h.market_ug) <> (p.co2e_ug, p.market_ug))"
        " FROM emission_hour h JOIN emission_hour_history p USING (source_id, hour)"
        " JOIN source s ON s.id = h.source_id GROUP BY 1 ORDER BY 1"
    )
    assert [row[0] for row in changed] == ["by-counter", "by-gas", "by-gauge", "by-interval"]
    assert {row[2:] for row in changed} == {(2, 2, True, True, True, True)}
    # of the gauge the market-based mass alone changes after the factor's second version begins
    assert plant.rows(
        "SELECT bool_and(h.co2_ug = p.co2_ug), bool_and(h.market_ug > p.market_ug)"
        " FROM emission_hour h JOIN emission_hour_history p USING (source_id, hour)"
        " JOIN source s ON s.id = h.source_id WHERE s.slug = 'by-gauge'"
        " AND h.hour >= timestamptz '2026-06-04T00:30+05:30'"
    ) == [(True, True)]


def test_an_hour_keeps_the_mass_of_a_minute_that_has_no_amount(
    plant: Plant, database_url: str
) -> None:
    plant.store(readings(random.Random(4)))
    close(plant)
    plant.connection.execute(
        "UPDATE emission_minute SET activity = NULL, activity_n = NULL WHERE minute ="
        " (SELECT min(minute) FROM emission_minute WHERE activity > 0)"
    )
    apply_text(database_url, CORRECTED)
    plant.tick(NOW + timedelta(minutes=1))
    sound(plant)


def test_amounts_that_were_not_kept_exactly_are_made_from_readings(
    plant: Plant, database_url: str
) -> None:
    every = readings(random.Random(3))
    plant.store(every)
    close(plant)
    plant.connection.execute(
        "UPDATE emission_minute SET activity = NULL WHERE minute = (SELECT min(minute)"
        " FROM emission_minute WHERE activity > 0)"
    )
    apply_text(database_url, CORRECTED)
    plant.tick(NOW + timedelta(minutes=1))
    sound(plant)
    before = totals(plant)
    plant.empty()
    plant.store(every)
    plant.tick(NOW + timedelta(minutes=1))
    assert totals(plant) == before


def test_an_amount_next_to_nothing_stops_no_reader_and_no_restatement(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # times any factor it is smaller than the smallest number, which PostgreSQL refuses
    plant.store([Reading("meter.power", START + timedelta(minutes=n), 6e-322) for n in range(500)])
    close(plant)
    apply_text(database_url, CORRECTED)
    monkeypatch.setattr(deferred_minutes, "step", lambda *_: False)
    plant.tick(NOW + timedelta(minutes=1))
    assert plant.rows("SELECT count(*) > 0 FROM following_minutes") == [(True,)]
    assert {row[2:6] for row in plant.rows(IN_FORCE)} == {(0, 0, 0, 0)}
    sound(plant)
    monkeypatch.undo()
    plant.tick(NOW + timedelta(minutes=1))
    assert plant.rows("SELECT 1 FROM following_minutes") == []
    sound(plant)
