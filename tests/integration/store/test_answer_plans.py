"""Short questions of answers stay short: indexes for what is chosen, chunks of the span alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.core.store.answers import answer_states, live, newest_hours
from services.core.store.answers.newest_readings import newest_keys
from services.core.store.emissions import hour_closing
from services.core.store.emissions.hour_closing import HourVerdict
from services.core.store.readings import history_arrays
from services.core.timeline.instants import to_minute
from tests.integration.aggregator.plant import Plant, Reading, instant

START = instant("2026-06-02T00:00:00Z")
DAY = timedelta(days=1)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    # of small tables every plan reads all
    plant.connection.execute("SET enable_seqscan = off")
    yield plant
    plant.close()


def plan(plant: Plant, sql: str, **parameters: Any) -> str:
    cursor = plant.connection.execute(f"EXPLAIN {sql}".encode(), parameters, prepare=False)
    return "\n".join(line for (line,) in cursor.fetchall())


def test_readings_of_a_chart_come_by_index_from_the_chunks_of_the_span(plant: Plant) -> None:
    plant.store([Reading("meter.power", START + k * 7 * DAY, 1.0) for k in range(-5, 6)])
    asked = history_arrays._parameters(plant.channels["meter.power"], START, START + 8 * DAY)
    stored = plan(plant, history_arrays._SERIES_STORED, **asked)
    assert "Seq Scan" not in stored
    assert 1 <= stored.count("Index Scan using") <= 3, stored
    packed = plan(plant, history_arrays._SERIES_PACKED, **asked)
    assert "packed_readings_pkey" in packed
    assert "Sort  (" not in packed


def test_the_state_of_answers_is_found_by_index(plant: Plant) -> None:
    live = plan(plant, answer_states._LIVE, facilities=["works"], shown_for=timedelta(minutes=15))
    totals = plan(plant, answer_states._TOTALS_OF_SOME, facilities=["works"])
    of_one = plan(plant, answer_states._OF_FACILITY, facilities=["works"])
    for found in (live, totals, of_one):
        assert found.count("touched_facility_id_live_id_idx") == 2, found
        assert "facility_progress_pkey" in found
        assert "Seq Scan on touched" not in found
    assert "alert_open_idx" in live
    assert "alert_comment_alert_id_idx" in live
    assert "alert_facility_id_changed_at_idx" in live


def test_live_totals_look_for_newest_readings_once(plant: Plant) -> None:
    plant.store([Reading("meter.power", START + k * 7 * DAY, 1.0) for k in range(-4, 1)])
    asked = {"facility": "works", "minute": START, **newest_keys(START)}
    found = plan(plant, live._LIVE, **asked)
    assert found.count("Custom Scan (ChunkAppend) on reading") == 1, found


def test_sums_and_newest_hours_are_found_by_source(plant: Plant) -> None:
    asked = {
        "sources": list(plant.sources.values()),
        "first": START - 365 * DAY,
        "last": START,
        "hours_since": START - 3 * DAY,
        "minute": START,
    }
    by_day = plan(plant, newest_hours._BY_DAY, **asked)
    by_month = plan(plant, newest_hours._BY_MONTH, **asked)
    for found, tables in ((by_day, ("day", "hour")), (by_month, ("month", "day", "hour"))):
        for table in tables:
            assert f"emission_{table}_pkey" in found, found
        assert "Seq Scan on emission" not in found


def test_each_hour_that_is_closed_looks_its_own_minutes_up(plant: Plant) -> None:
    """Joined, 336 hours of a history were compared with all 130 000 minutes of it: 58 s."""
    verdict = HourVerdict(
        source_id=next(iter(plant.sources.values())),
        hour=to_minute(START) // 60,
        co2_ug=1,
        biogenic_ug=0,
        final=True,
        quality="measured",
        code="01",
    )
    found = plan(plant, hour_closing._SET_CLOSING, **hour_closing._parameters([verdict]))
    # each hour has a sum of its own, of which none is a group
    assert "Group Key" not in found, found
    assert found.count("->  Aggregate") == 1, found
