"""What was answered is what is answered as of then: of open hours too, exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator.plant import (
    FILE,
    Plant,
    Reading,
    apply_text,
    instant,
    some_readings,
)
from tests.integration.api.recorded import Recorder, correct, differing, discard

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = instant("2026-06-02T00:00:00Z")
CORRECTED = FILE.replace("co2_kg: 0.2,", "co2_kg: 0.35,")


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.tick_as_if(START - HOUR)
    yield plant
    plant.close()


async def assert_same(recorder: Recorder) -> None:
    found = await recorder.differences()
    lines = [
        f"{instant:%d %H:%M:%S} {name}{line}"
        for (instant, name), pair in found.items()
        for line in differing(*pair)
    ]
    assert not lines, "\n".join(lines[:40])


@pytest.mark.vector
async def test_f1_an_open_hour_is_what_had_arrived(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock
) -> None:
    recorder = Recorder(client, plant, clock, START, [("by-interval", START)])
    plant.store([Reading("meter.quarter", START + 15 * MINUTE, 17.0)])
    known = START + 16 * MINUTE
    await recorder.record(known)
    plant.store(
        [
            Reading("meter.quarter", START + (i + 2) * 15 * MINUTE, kwh)
            for i, kwh in enumerate((5.0, 8.0, 12.0))
        ]
    )
    await recorder.record(START + HOUR + MINUTE)
    await recorder.record(START + 3 * HOUR)
    then = await recorder.ask(known)
    (row,) = [r for r in then["hours"] if r["source"] == "by-interval"]
    assert (row["activity"], row["state"]) == (17.0, "provisional")
    assert then[f"by-interval {START}"]["total"]["activity"] == 17.0
    (now,) = [r for r in (await recorder.ask())["hours"] if r["source"] == "by-interval"][:1]
    assert now["activity"] == 42.0
    await assert_same(recorder)


@pytest.mark.vector
async def test_f3_each_answer_of_a_history_is_given_again(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str
) -> None:
    """Late, corrected, discarded, restated by a factor: five kinds of answer at each instant."""
    rng = random.Random(7)
    readings = some_readings(rng, START, 5)
    late = set(rng.sample(range(len(readings)), len(readings) // 5))
    explained = [
        (source, START + hour * HOUR)
        for source, hour in (("by-counter", 1), ("by-gauge", 1), ("by-interval", 0), ("stack", 3))
    ]
    recorder = Recorder(client, plant, clock, START - HOUR, explained)
    now = START
    for step in range(17):
        before, now = now, now + timedelta(minutes=19, seconds=13)
        plant.store([r for i, r in enumerate(readings) if before <= r.ts < now and i not in late])
        if step % 4 == 3:
            plant.store(
                [readings[i] for i in sorted(late)[:: 7 - step // 4] if readings[i].ts < now]
            )
        if step == 9:
            apply_text(database_url, CORRECTED)
        if step == 12:
            discard(plant, "meter.power", START + HOUR, START + HOUR + 20 * MINUTE)
        if step == 15:
            of_quarter = [r for r in readings if r.channel == "meter.quarter"]
            correct(plant, "meter.quarter", of_quarter[4].ts, 1234.5)
        await recorder.record(now)
    await assert_same(recorder)


async def test_hours_under_a_rule_were_what_they_were(
    client: httpx.AsyncClient, database_url: str, clock: FixedClock
) -> None:
    plant = Plant(database_url, ruled.FILE)
    plant.tick_as_if(ruled.START - HOUR)
    recorder = Recorder(
        client, plant, clock, ruled.START,
        [("stack", ruled.START + n * HOUR) for n in (0, 4)],
    )  # fmt: skip
    for number in range(9):
        if number not in {4, 5}:
            plant.store(ruled.hour_of(number, 10.0 + number, 1_000_000))
        for minutes in (7, 44):
            await recorder.record(ruled.START + number * HOUR + minutes * MINUTE)
    # late: half of a missing hour, then all of it
    plant.store(ruled.hour_of(4, 12.0, 1_000_000, minutes=range(20)))
    await recorder.record(ruled.START + 9 * HOUR + 30 * MINUTE)
    plant.store(ruled.hour_of(4, 12.0, 1_000_000, minutes=range(20, 60)))
    await recorder.record(ruled.START + 10 * HOUR + 30 * MINUTE)
    assert {r["quality"] for r in recorder.answers[max(recorder.answers)]["hours"]} >= {
        "measured",
        "substituted",
    }
    await assert_same(recorder)
    plant.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_histories_are_told_as_they_were(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str, seed: int
) -> None:
    rng = random.Random(seed)
    readings = some_readings(rng, START, 4)
    rng.shuffle(readings)
    recorder = Recorder(client, plant, clock, START - HOUR, only=frozenset({"hours", "live"}))
    now, stored = START, list[Reading]()
    for _ in range(12):
        now += timedelta(seconds=rng.randrange(120, 2700))
        # most of what there is, in any order
        arrived = [r for r in readings if r.ts < now and rng.random() < 0.6]
        plant.store(arrived)
        stored += arrived
        readings = [r for r in readings if r not in arrived]
        action = rng.random()
        if action < 0.2:
            apply_text(database_url, FILE.replace("co2_kg: 0.2,", f"co2_kg: {rng.random():.3f},"))
        elif action < 0.4:
            since = START + timedelta(minutes=rng.randrange(180))
            channel = rng.choice(["meter.power", "meter.energy", "cems.co2"])
            discard(plant, channel, since, since + timedelta(minutes=rng.randrange(1, 30)))
        elif action < 0.7 and stored:
            reading = rng.choice(stored)
            correct(plant, reading.channel, reading.ts, round(rng.uniform(0, 200), 2))
        await recorder.record(now)
    await assert_same(recorder)
