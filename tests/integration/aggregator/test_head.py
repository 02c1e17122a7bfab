"""What an aggregator remembers never decides a total."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from services.aggregator.head import Head
from services.aggregator.tick import tick
from services.core.store.registry.plan import facility_plans
from tests.integration.aggregator.plant import Plant, Reading, instant, some_readings

START = instant("2026-11-02T10:00:20+01:00")


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    yield plant
    plant.close()


def _seconds(first: int, last: int) -> list[Reading]:
    """Readings of every channel in each second, the register a tenth of a kWh further."""
    return [
        Reading(channel, START + timedelta(seconds=s), round(value + 0.1 * s, 1))
        for s in range(first, last)
        for channel, value in (("meter.energy", 100.0), ("meter.power", 40.0), ("cems.co2", 8.0))
    ]


def _from_scratch(plant: Plant, readings: list[Reading], now: datetime) -> object:
    plant.empty()
    plant.store(readings)
    plant.tick(now)
    return plant.totals()


def test_seconds_one_by_one_with_late_ones_and_another_aggregator_between(plant: Plant) -> None:
    """Two with memories of their own take turns; some readings come late, in a minute or after."""
    rng = random.Random(3)
    readings = _seconds(0, 150)
    late = {s for s in range(20, 130) if rng.random() < 0.1}
    plan = facility_plans(plant.connection)[plant.facility_id]
    memories = [Head(), Head()]
    waiting: list[Reading] = []
    now = START
    for second in range(150):
        now = START + timedelta(seconds=second)
        mine = readings[3 * second : 3 * second + 3]
        if second in late:
            waiting += mine
            continue
        plant.store(mine)
        if waiting and rng.random() < 0.2:
            plant.store([waiting.pop(rng.randrange(len(waiting)))])
        tick(plant.connection, plan, now, rng.choice(memories))
    plant.store(waiting)
    tick(plant.connection, plan, now, memories[0])
    found = plant.totals()

    assert found == _from_scratch(plant, readings, now)


def test_a_tick_that_was_rolled_back_leaves_nothing_to_rely_on(plant: Plant) -> None:
    plan = facility_plans(plant.connection)[plant.facility_id]
    memory = Head()
    readings = _seconds(0, 30)
    now = START + timedelta(seconds=31)
    plant.store(readings[:60])
    tick(plant.connection, plan, now, memory)
    plant.store(readings[60:])
    with plant.connection.transaction(force_rollback=True):
        assert tick(plant.connection, plan, now, memory).worked
    assert tick(plant.connection, plan, now, memory).worked
    found = plant.totals()

    assert found == _from_scratch(plant, readings, now)


def test_a_corrected_value_is_taken_up(plant: Plant) -> None:
    plan = facility_plans(plant.connection)[plant.facility_id]
    memory = Head()
    readings = _seconds(0, 30)
    now = START + timedelta(seconds=31)
    plant.store(readings)
    tick(plant.connection, plan, now, memory)
    corrected = readings[3 * 12]
    with plant.connection.transaction():
        plant.connection.execute(
            "UPDATE reading SET value = value + 0.05 WHERE channel_id = %s AND ts = %s",
            (plant.channels[corrected.channel], corrected.ts),
        )
        plant.connection.execute(
            "INSERT INTO touched (facility_id, channel_ids, minutes, reason)"
            " VALUES (%s, %s, %s, %s)",
            (
                plant.facility_id,
                [plant.channels[corrected.channel]],
                [int(corrected.ts.timestamp()) // 60],
                "correction by somebody",
            ),
        )
    tick(plant.connection, plan, now, memory)
    found = plant.totals()

    plant.restart()
    plant.connection.execute("TRUNCATE emission_minute, emission_hour, rolling_total")
    plant.connection.execute(
        "INSERT INTO touched (facility_id, channel_ids, minutes)"
        " SELECT %s, array_agg(channel_id), array_agg(m) FROM (SELECT DISTINCT channel_id,"
        " (extract(epoch FROM ts)::int8 / 60)::int4 AS m FROM reading) q",
        (plant.facility_id,),
    )
    plant.connection.execute(
        "UPDATE facility_progress SET carried_to = NULL, rolled_to = NULL, sequence = sequence + 1"
    )
    plant.tick(now)
    assert plant.totals() == found


def test_slow_channels_and_troubled_ones_second_after_second(plant: Plant) -> None:
    """Gaps, resets and readings an hour apart: what is remembered of each is enough, or is read."""
    readings = sorted(some_readings(random.Random(9), START, 3), key=lambda r: r.ts)
    for i in range(0, len(readings), 9):
        plant.store(readings[i : i + 9])
        plant.tick(readings[min(i + 8, len(readings) - 1)].ts + timedelta(seconds=1))
    now = readings[-1].ts + timedelta(minutes=5)
    plant.tick(now)
    found = plant.totals()

    assert found == _from_scratch(plant, readings, now)
