"""Readings as they stood at an instant: what a reader saw then is what is read as of then."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from services.core.store.readings import writer
from services.core.store.readings.series import StoredReadings
from services.core.store.readings.series_arrays import SeriesRequests
from services.core.store.readings.series_as_known import ReadingsAsKnown
from services.core.store.readings.writer import Correction, ReadingRow, Supersession
from services.core.timeline.instants import MILLISECOND
from tests.integration.aggregator.plant import Plant
from tests.integration.api.recorded import discard
from tests.patience import until

CHANNEL = "meter.power"
BEGIN_S = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    writer.create_staging(plant.connection)
    yield plant
    plant.close()


def row(plant: Plant, second: int, value: float, *, waited_s: float = 0, quality: int = 0) -> Any:
    received_us = int((time.time() - waited_s) * 1e6)
    ts_us = (BEGIN_S + second) * 1_000_000
    channel = plant.channels[CHANNEL]
    return ReadingRow(plant.facility_id, channel, ts_us, value, quality, 0, received_us)


def requests(plant: Plant) -> SeriesRequests:
    """Two stretches, with neighbours of any kind and of usable ones only."""
    first = BEGIN_S // 60
    return SeriesRequests(
        channels=np.array([plant.channels[CHANNEL]] * 2),
        firsts=np.array([first + 3, first + 2]),
        lasts=np.array([first + 5, first + 4]),
        before=np.array([1, 3]),
        after=np.array([0, 2]),
    )


def read(readings: StoredReadings, wanted: SeriesRequests) -> list[Any]:
    series = readings.read(wanted)
    return [
        (series[i].ts_us.tolist(), np.nan_to_num(series[i].value, nan=-1.0).tolist())
        for i in range(len(wanted))
    ]


def clock(connection: psycopg.Connection[Any]) -> datetime:
    (instant,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
    return instant


def now(connection: psycopg.Connection[Any]) -> datetime:
    """An instant that is over, also by a clock that counts milliseconds."""
    instant = clock(connection)
    until(lambda: clock(connection) - instant > MILLISECOND, "the clock goes on")
    return instant


@pytest.mark.parametrize("seed", range(4))
def test_what_was_read_at_each_instant_is_read_as_of_then(plant: Plant, seed: int) -> None:
    rng = random.Random(seed)
    connection, wanted = plant.connection, requests(plant)
    seen: dict[datetime, list[Any]] = {now(connection): read(StoredReadings(connection), wanted)}
    stored: dict[int, float] = {}
    for _ in range(60):
        second, value = rng.randrange(8 * 60), float(rng.randrange(1000))
        action = rng.random()
        with connection.transaction():
            if second not in stored:
                # some have waited for an hour in a broker
                waited_s = rng.choice([0, 0, 3600])
                written = writer.write(connection, [row(plant, second, value, waited_s=waited_s)])
                if written.stored:
                    stored[second] = value
            elif action < 0.4:
                correction = Correction(
                    row=row(plant, second, value, waited_s=7200), quarantine_id=1
                )
                writer.correct(connection, [correction], by="b", note=None, reason="r")
                stored[second] = value
            elif action < 0.8:
                sent = row(plant, second, value, waited_s=rng.choice([0, 500]))
                conflicts = writer.write(connection, [sent]).conflicts
                wins = rng.random() < 0.5
                writer.supersede(
                    connection,
                    [
                        Supersession(row=sent, conflict=each, wins=wins, rule="r", reason="r")
                        for each in conflicts
                    ],
                )
                if wins and conflicts:
                    stored[second] = value
        if second in stored and action >= 0.8:
            since = datetime.fromtimestamp(BEGIN_S + second, UTC)
            discard(plant, CHANNEL, since, since + timedelta(seconds=1))
            del stored[second]
        seen[now(connection)] = read(StoredReadings(connection), wanted)
    for instant, found in seen.items():
        assert read(ReadingsAsKnown(connection, instant), wanted) == found, instant


def test_only_what_waited_says_when_it_was_stored(plant: Plant) -> None:
    with plant.connection.transaction():
        writer.write(plant.connection, [row(plant, 1, 1.0), row(plant, 2, 2.0, waited_s=60)])
    (fresh, waited) = plant.rows("SELECT known_at, received_at FROM reading ORDER BY ts")
    assert fresh[0] is None
    assert waited[0] - waited[1] >= timedelta(seconds=60)
