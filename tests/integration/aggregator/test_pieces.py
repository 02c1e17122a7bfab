"""However much there is to compute, a tick does a bounded piece, and all pieces add up to it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.aggregator.pieces import Pieces
from services.core.store.computation import compute
from services.core.store.computation.ranges import Ranges
from tests.integration.aggregator.plant import (
    FILE,
    Plant,
    Reading,
    apply_text,
    batches,
    instant,
    some_readings,
)

NOW = instant("2026-06-15T09:30:00Z")

METER = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter}
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 30d}
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.energy, factor: f}
  - {id: load, scope: 2, method: activity, input: meter.power, factor: f}
"""


@pytest.fixture
def plant(database_url: str, request: pytest.FixtureRequest) -> Iterator[Plant]:
    plant = Plant(database_url, getattr(request, "param", METER))
    yield plant
    plant.close()


class Computed:
    """How many source minutes each call computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.minutes: list[int] = []
        computing = compute.sources

        def counted(readings: Any, plan: Any, ranges: Ranges) -> Any:
            self.minutes.append(int((ranges.lasts - ranges.firsts + 1).sum()))
            return computing(readings, plan, ranges)

        monkeypatch.setattr(compute, "sources", counted)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Computed:
    return Computed(monkeypatch)


def _rest(plant: Plant) -> int:
    ((minutes,),) = plant.rows(
        "SELECT coalesce(sum(to_minute - from_minute), 0)::int FROM recompute WHERE step = 'rest'"
    )
    return minutes


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("plant", [FILE], indirect=True, ids=["all kinds"])
def test_pieces_add_up_to_what_is_computed_at_once(plant: Plant, seed: int) -> None:
    rng = random.Random(seed)
    start = NOW - timedelta(days=6)
    readings = some_readings(rng, start, 30)
    # long steps and long silences before, between and after
    readings = [
        *[Reading("meter.energy", start - timedelta(days=k), 90.0 - k) for k in (2, 9)],
        *readings,
        *[Reading("meter.energy", NOW - timedelta(minutes=k), 3000.0 - k) for k in range(5)],
    ]
    plant.pieces = Pieces(pairs=10**9, live=10**9, old=10**9)
    plant.store(readings)
    plant.tick(NOW)
    at_once = plant.totals()
    plant.empty()
    plant.pieces = Pieces(
        pairs=rng.choice([50, 2000]), live=rng.choice([60, 700]), old=rng.choice([60, 1000])
    )
    for batch in batches(rng, readings):
        plant.store(batch)
        # some are computed in part before the next come
        for _ in range(rng.randint(0, 5)):
            plant.tick_once(NOW)
    plant.tick(NOW)
    assert _rest(plant) == 0
    assert plant.totals() == at_once
    assert len(at_once["minutes"]) > 8000


def test_a_step_of_26_years_holds_up_no_live_total(plant: Plant, computed: Computed) -> None:
    plant.pieces = Pieces(old=5000)
    plant.store(
        [
            Reading("meter.energy", datetime(2000, 1, 1, tzinfo=UTC), 427.7),
            Reading("meter.energy", NOW, 427.8),
        ]
    )
    # a register's newest readings may change the steps before them, seven back
    for k in range(1, 13):
        now = NOW + timedelta(minutes=k)
        plant.store([Reading("meter.energy", now, 427.8 + k)])
        assert plant.tick_once(now).more
        # what came a minute ago is told, before the old stretch gets a piece shorter
        ((newest, activity),) = plant.rows(
            "SELECT minute, activity_n FROM emission_minute ORDER BY minute DESC LIMIT 1"
        )
        assert (newest, activity) == (now - timedelta(minutes=1), 1_000_000_000)
        assert computed.minutes[-1] <= 1500 + 500
        before = _rest(plant)
        assert plant.tick_once(now).more
        assert before - 5001 <= _rest(plant) <= before - 4900
    total = int((NOW - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds()) // 60
    done = total - _rest(plant)
    assert 5 * 4900 < done < 12 * 6300 + 1500
    assert max(computed.minutes) <= 5000 + 1500
    # nothing of it is told final before it is computed, and the hours there are add up
    assert plant.rows(
        "SELECT count(*) FROM emission_hour h WHERE co2_ug <> (SELECT sum(co2_ug)"
        " FROM emission_minute m WHERE m.source_id = h.source_id"
        " AND time_bucket('1 hour', m.minute) = h.hour)"
    ) == [(0,)]
    # whoever goes on finds where it stopped
    plant.restart()
    before = _rest(plant)
    plant.tick_once(now + timedelta(minutes=1))
    assert before - 5001 < _rest(plant) < before - 4900


def test_values_are_carried_over_a_long_stop_piece_by_piece(
    plant: Plant, computed: Computed
) -> None:
    stop = NOW - timedelta(days=20)
    plant.store([Reading("meter.power", stop, 60.0)])
    plant.tick(stop + timedelta(seconds=30))
    computed.minutes.clear()
    plant.pieces = Pieces(live=700, old=2000)
    plant.tick(NOW)
    assert max(computed.minutes) <= 700 + 2000
    assert plant.rows("SELECT count(*), sum(activity_n) FROM emission_minute") == [
        (20 * 1440 + 1, (20 * 1440 + 1) * 1_000_000_000)
    ]
    assert plant.rows(
        "SELECT co2_ug FROM rolling_total r JOIN source s ON s.id = r.source_id"
        " WHERE span = '7d' AND slug = 'load'"
    ) == [(10_080 * 250_000_000,)]


def test_windows_move_on_over_years_piece_by_piece(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = NOW - timedelta(days=800)
    plant.store([Reading("meter.power", begin + timedelta(days=k), 10.0 + k) for k in (0, 10, 401)])
    monkeypatch.setattr("services.aggregator.minute_rollover._MAX_MOVED", 30_000)
    plant.tick(begin + timedelta(days=11))
    plant.tick(begin + timedelta(days=402))
    plant.tick_once(NOW)
    ((upto,),) = plant.rows("SELECT DISTINCT upto FROM rolling_total")
    assert upto == begin + timedelta(days=402, minutes=14_998)
    plant.tick(NOW)
    assert plant.rows("SELECT DISTINCT upto FROM rolling_total") == [(NOW - timedelta(minutes=2),)]
    assert plant.rows(
        "SELECT count(*) FROM rolling_total r WHERE co2_ug <> (SELECT coalesce(sum(co2_ug), 0)"
        " FROM emission_minute m WHERE m.source_id = r.source_id"
        " AND m.minute BETWEEN r.since AND r.upto)"
    ) == [(0,)]


def test_hours_are_made_final_piece_by_piece_and_none_before_it_is_computed(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.core.store.emissions.hour_closing.MAX_HOURS", 100)
    start = NOW - timedelta(days=30)
    plant.store([Reading("meter.energy", start + timedelta(days=k), 24.0 * k) for k in (0, 29)])
    plant.pieces = Pieces(old=6000)
    plant.tick_once(NOW)
    plant.tick_once(NOW)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    of_finals = "SELECT count(*) FROM emission_hour WHERE final"
    later = NOW + timedelta(minutes=1)
    assert plant.tick_once(later).more
    assert plant.rows(of_finals) == [(100,)]
    plant.tick(later)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    plant.tick(later + timedelta(minutes=1))
    assert plant.rows(of_finals) == [(29 * 24 + 1,)]
    assert plant.rows("SELECT count(*) FROM emission_hour_history") == [(0,)]


def test_what_is_live_waits_for_no_history_that_came_before_it(plant: Plant) -> None:
    begin = NOW - timedelta(days=300)
    plant.store([Reading("meter.energy", NOW - timedelta(minutes=2), 1000.0)])
    plant.tick(NOW)
    for batch in range(20):
        history = begin + timedelta(days=batch)
        plant.store(
            [
                Reading("meter.energy", history + timedelta(hours=k), batch + k / 24)
                for k in range(24)
            ],
            live=False,
        )
    plant.store([Reading("meter.energy", NOW - timedelta(minutes=1), 1004.0)])
    plant.pieces = Pieces(pairs=24)
    plant.tick_once(NOW)
    assert plant.rows("SELECT count(*) FROM touched WHERE NOT live") == [(19,)]
    newest = plant.connection.execute(
        "SELECT co2_ug FROM emission_minute m JOIN source s ON s.id = m.source_id"
        " WHERE s.slug = 'grid' AND minute = %s",
        (NOW - timedelta(minutes=2),),
    )
    assert newest.fetchall() == [(10**9,)]


def test_what_waits_keeps_its_reason_whatever_comes_between(plant: Plant) -> None:
    start = NOW - timedelta(days=30)
    plant.store([Reading("meter.energy", start + timedelta(days=k), 24.0 * k) for k in range(30)])
    plant.tick(NOW)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    plant.tick(NOW + timedelta(minutes=1))
    plant.connection.execute(
        "UPDATE reading SET value = value + 1 WHERE ts = %s", (start + timedelta(days=20),)
    )
    plant.connection.execute(
        "INSERT INTO touched (facility_id, channel_ids, minutes, reason)"
        " VALUES (%s, %s, %s, 'accepted correction: by somebody')",
        (
            plant.facility_id,
            [plant.channels["meter.energy"]],
            [int((start + timedelta(days=20)).timestamp()) // 60],
        ),
    )
    plant.pieces = Pieces(live=60, old=600)
    now = NOW + timedelta(minutes=2)
    plant.tick_once(now)
    assert _rest(plant) > 0
    # a late reading of the very days that wait
    plant.store([Reading("meter.energy", start + timedelta(days=19, hours=12), 24.0 * 19.5 + 0.2)])
    plant.tick(now)
    reasons = plant.rows(
        "SELECT DISTINCT reason FROM emission_hour WHERE version > 1 ORDER BY reason"
    )
    assert reasons == [("accepted correction: by somebody",)]


def test_a_recomputation_goes_on_while_readings_arrive(plant: Plant, database_url: str) -> None:
    start = NOW - timedelta(days=30)
    plant.store([Reading("meter.energy", start + timedelta(days=k), 24.0 * k) for k in range(30)])
    plant.tick(NOW)
    apply_text(database_url, METER.replace("kind: counter", "kind: counter, max_rate: 1000"))
    for k in range(1, 200):
        now = NOW + timedelta(minutes=k)
        plant.store([Reading("meter.energy", now, 24.0 * 30 + k)])
        plant.tick_once(now)
        plant.tick_once(now)
        if not plant.rows("SELECT 1 FROM recompute"):
            break
    assert not plant.rows("SELECT 1 FROM recompute")
