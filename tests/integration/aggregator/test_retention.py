"""Raw readings go when they are old and settled; what they came to stays, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.aggregator.audit import verify
from services.aggregator.retention import Retention
from services.core.store.database.connect import engine
from services.core.store.emissions import final_hours, recompute_request
from services.core.store.readings import retention, writer
from services.core.store.readings.packing import added_days
from services.core.store.readings.packing.added_days import Brought
from services.core.store.readings.writer import ReadingRow
from services.core.store.registry.plan import facility_plans
from services.core.store.schema import ddl
from services.core.timeline.instants import from_us, to_us
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
    """Drop a chunk after the other, as many as can go."""
    while True:
        before = retention.horizon(plant.connection)
        Retention(days).step(plant.connection, NOW)
        if (after := retention.horizon(plant.connection)) == before:
            return after


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
    ((limit,),) = plant.rows(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM reading r, reading_horizon h"
        " WHERE r.ts < h.horizon GROUP BY channel_id) q"
    )
    # a register's step and the readings around it
    assert limit <= 2 * 9
    assert plant.totals() == before


def test_what_was_packed_where_no_chunk_is_goes_and_is_recorded(plant: Plant) -> None:
    """History from files was never a row of the hypertable."""
    history = _history()
    imported = to_us(START - timedelta(days=300)) + 900_000_000 * np.arange(5)
    size = imported.size
    added_days.add(
        plant.connection,
        plant.facility_id,
        Brought(
            channel=np.full(size, plant.channels["meter.energy"]),
            ts_us=imported,
            value=np.arange(size) * 0.25,
            missing=np.zeros(size, dtype=np.bool_),
            quality=np.zeros(size, dtype=np.int64),
        ),
    )
    _settled(plant, history)
    assert _drop(plant) is not None
    assert plant.rows("SELECT count(*) FROM packed_readings") == [(0,)]
    left = plant.rows("SELECT count(*) FROM reading")[0][0]
    dropped = plant.rows("SELECT chunk, from_ts, to_ts, channels, readings FROM dropped_readings")
    assert sum(row[4] for row in dropped) == len(history) - left + size
    begin = from_us(int(imported[0]))
    assert [row[1:] for row in dropped if row[0] == "packed_readings"] == [
        (begin, begin + timedelta(hours=1), 1, size)
    ]


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


def test_jitter_across_the_horizon_counts_as_if_nothing_had_been_dropped(plant: Plant) -> None:
    """The register is told now exactly and now rounded down: half of its readings fall."""
    history, ts, register = [], START, 100.0
    while ts < END:
        exact = (ts.hour // 3) % 2
        shown = register if exact else int(register * 10) / 10
        history.append(Reading("meter.energy", ts, round(shown, 3)))
        register += 0.03
        ts += EVERY
    _settled(plant, history)
    horizon = _drop(plant)
    assert horizon is not None
    first = next(r for r in history if r.ts >= horizon)
    assert first.value is not None
    later = [
        Reading("meter.energy", horizon + timedelta(minutes=7), first.value - 0.06),
        Reading("meter.energy", horizon + timedelta(minutes=11), first.value - 0.02),
    ]
    plant.store(later)
    plant.tick(NOW)
    found = plant.totals()
    plant.empty()
    plant.connection.execute("DELETE FROM channel_horizon")
    plant.store([*history, *later])
    plant.tick(NOW)
    assert found["minutes"] == plant.totals()["minutes"]


def test_a_drop_that_fails_holds_up_nothing_and_is_told(plant: Plant, database_url: str) -> None:
    _settled(plant, _history())
    plant.connection.execute(
        "CREATE OR REPLACE FUNCTION drop_readings(under text) RETURNS void LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'planted failure'; END $$"
    )
    before = plant.rows("SELECT count(*) FROM reading")
    dropping = Retention(40)
    dropping.step(plant.connection, NOW)
    (notice,) = dropping.notices()
    assert notice["code"] == "retention-failed"
    assert "planted failure" in notice["detail"]
    assert plant.rows("SELECT count(*) FROM reading") == before
    # mended, the next look drops what could not be dropped
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        ddl.create_roles(connection)
    bind.dispose()
    dropping._next_at = 0.0
    dropping.step(plant.connection, NOW)
    assert dropping.notices() == []
    assert plant.rows("SELECT count(*) FROM reading") < before


def test_one_chunk_goes_at_a_time(plant: Plant) -> None:
    _settled(plant, _history())
    dropping, horizons = Retention(40), []
    for _ in range(3):
        dropping._next_at = 0.0
        dropping.step(plant.connection, NOW)
        horizons.append(retention.horizon(plant.connection))
    assert horizons[1] - horizons[0] == timedelta(days=7)
    assert horizons[2] == horizons[1]
    ((chunks,),) = plant.rows("SELECT count(DISTINCT from_ts) FROM dropped_readings")
    assert chunks == 2


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
    # nine readings, three hours apart, are as far as one that comes late may reach
    assert found.unknown >= gone - first - 9 * 3 - 3
    assert found.checked > 0
