"""Raw readings go when they are old and settled; what they came to stays, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.aggregator.audit import verify
from services.aggregator.retention import Retention
from services.core.store.emissions import final_hours, recompute_request
from services.core.store.readings import retention, writer
from services.core.store.readings.writer import ReadingRow
from services.core.store.registry.plan import facility_plans
from tests.integration.aggregator.plant import Plant, Reading, instant

START = instant("2026-03-02T00:00:00Z")
END = START + timedelta(days=16)
NOW = END + timedelta(days=40)
EVERY = timedelta(hours=3)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    yield plant
    plant.close()


def _history(until: datetime = END) -> list[Reading]:
    found, ts, register = [], START, 100.0
    while ts < until:
        found.append(Reading("meter.energy", ts, register))
        found += [
            Reading(channel, ts, 10.0 + ts.hour)
            for channel in ("meter.power", "cems.co2", "cems.flow")
        ]
        register += 7.25
        ts += EVERY
    return found


def _settled(plant: Plant, history: list[Reading]) -> None:
    plant.store(history)
    plant.tick(NOW)
    plant.connection.execute("UPDATE emission_hour SET final = true")


def _drop(plant: Plant, days: int = 40) -> datetime | None:
    Retention(days).step(plant.connection, NOW)
    return retention.horizon(plant.connection)


def _row(plant: Plant, ts: datetime, value: float) -> ReadingRow:
    us = int(ts.timestamp() * 1_000_000)
    return ReadingRow(plant.facility_id, plant.channels["meter.energy"], us, value, 0, 0, us)


def test_nothing_is_dropped_unless_asked_for(plant: Plant) -> None:
    _settled(plant, _history())
    assert _drop(plant, 0) is None
    assert plant.rows("SELECT count(*) FROM reading") == [(len(_history()),)]


def test_old_chunks_go_and_are_recorded_and_totals_stay(plant: Plant) -> None:
    _settled(plant, _history())
    before = plant.totals()
    horizon = _drop(plant)
    assert horizon is not None
    assert horizon <= NOW - timedelta(days=40)
    ((chunks, dropped),) = plant.rows("SELECT count(*), sum(readings) FROM dropped_readings")
    assert chunks >= 2
    assert plant.rows("SELECT count(*) FROM reading") == [(len(_history()) - dropped,)]
    ((most,),) = plant.rows(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM reading r, reading_horizon h"
        " WHERE r.ts < h.horizon GROUP BY channel_id) q"
    )
    assert most <= 16
    assert plant.totals() == before


def test_nothing_goes_while_an_hour_is_open(plant: Plant) -> None:
    _settled(plant, _history())
    plant.connection.execute("UPDATE emission_hour SET final = false WHERE hour = %s", (START,))
    assert _drop(plant) is None


def test_nothing_goes_while_readings_wait(plant: Plant) -> None:
    _settled(plant, _history())
    plant.store([Reading("meter.power", START + timedelta(hours=1), 5.0)])
    assert _drop(plant) is None


def test_what_goes_on_after_the_drop_is_computed_as_if_nothing_had_been_dropped(
    plant: Plant,
) -> None:
    history = _history()
    _settled(plant, history)
    horizon = _drop(plant)
    assert horizon is not None
    at_horizon = next(r for r in history if r.channel == "meter.energy" and r.ts == horizon)
    assert at_horizon.value is not None
    later = [
        Reading("meter.energy", horizon + timedelta(minutes=71), at_horizon.value + 1.5),
        Reading("meter.power", horizon + timedelta(minutes=1), 44.0),
        Reading("meter.energy", END + timedelta(hours=5), 100.0 + 7.25 * 130),
    ]
    plant.store(later)
    plant.tick(NOW)
    found = plant.totals()
    plant.empty()
    plant.connection.execute("DELETE FROM channel_horizon")
    plant.store([*history, *later])
    plant.tick(NOW)
    assert found["minutes"] == plant.totals()["minutes"]


def test_a_reading_for_a_time_whose_readings_are_gone_is_too_late(plant: Plant) -> None:
    _settled(plant, _history())
    horizon = _drop(plant)
    assert horizon is not None
    writer.create_staging(plant.connection)
    before = plant.totals()
    with plant.connection.transaction():
        written = writer.write(
            plant.connection,
            [
                _row(plant, horizon - timedelta(seconds=1), 1.0),
                _row(plant, horizon - timedelta(days=3), 2.0),
                _row(plant, NOW, 5000.0),
            ],
        )
    assert (written.stored, written.duplicates, written.too_late) == (1, 0, [0, 1])
    assert [len(minutes) for (minutes,) in plant.rows("SELECT minutes FROM touched")] == [1]
    assert plant.totals() == before


def test_a_recomputation_leaves_hours_alone_whose_readings_are_gone(plant: Plant) -> None:
    _settled(plant, _history())
    assert _drop(plant) is not None
    before = plant.totals()
    first, end = int(START.timestamp()) // 60, int(END.timestamp()) // 60
    source = plant.sources["by-counter"]
    recompute_request.submit(plant.connection, [(plant.facility_id, source)], first, end, "again")
    plant.tick(NOW)
    assert plant.rows("SELECT count(*) FROM recompute") == [(0,)]
    assert plant.totals() == before


def test_verify_leaves_out_hours_whose_readings_are_gone(plant: Plant) -> None:
    _settled(plant, _history())
    horizon = _drop(plant)
    assert horizon is not None
    plan = facility_plans(plant.connection)[plant.facility_id]
    (of,) = [s for s in final_hours.sources(plant.connection, None) if s.source == "by-counter"]
    first, gone, last = (int(t.timestamp()) // 3600 for t in (START, horizon, END))
    found = verify.step(plant.connection, plan, of, first, last, datetime.now(UTC))
    assert found.differences == ()
    assert found.unknown >= gone - first - 3
    assert found.checked > 0
