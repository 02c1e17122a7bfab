"""Readings packed behind the back of whoever reads or writes next."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import psycopg

from services.aggregator.tick import Ticked
from services.core.store.emissions import minute_history
from services.core.store.emissions.packing import days as minute_days
from services.core.store.emissions.packing.candidates import factors_of
from services.core.store.readings.packing import days
from services.core.store.registry.plan import facility_plans
from services.core.timeline.intervals import Interval
from tests.integration.aggregator.plant import FILE, Plant, Reading

_DAYS = """
SELECT DISTINCT channel_id, floor(extract(epoch FROM ts) / 86400)::int FROM reading
WHERE ts < now() - interval '4 days' ORDER BY 1, 2
"""


def pack_some(
    connection: psycopg.Connection[Any],
    rng: random.Random,
    share: float = 1.0,
    *,
    together: int = 1,
) -> int:
    """Pack about ``share`` of the days that are rows and old enough; return how many that were.

    As many as ``together`` at once: days of few readings are one row then.
    """
    packed = 0
    with connection.transaction():
        for channel_id, day in connection.execute(_DAYS).fetchall():
            if rng.random() < share:
                last = day + (rng.randrange(together) if together > 1 else 0)
                packed += days.pack_days(connection, channel_id, day, last).days
    return packed


_MINUTE_DAYS = """
SELECT DISTINCT s.facility_id, m.source_id, minute_of(m.minute) / 1440
FROM public.emission_minute m JOIN source s ON s.id = m.source_id
WHERE m.minute < now() - interval '4 days' AND NOT EXISTS (
    SELECT FROM following_minutes f
    WHERE f.source_id = m.source_id AND NOT f.packed
      AND f.begins < minute_start(1440 * (minute_of(m.minute) / 1440 + 1)::int8)
      AND f.ends > minute_start(1440 * (minute_of(m.minute) / 1440)::int8))
ORDER BY 1, 2, 3
"""


def pack_some_minutes(
    connection: psycopg.Connection[Any], rng: random.Random, share: float = 1.0
) -> int:
    """As :func:`pack_some`, of minutes, with the factors that sources have now."""
    packed = 0
    plans = facility_plans(connection)
    with connection.transaction():
        for facility_id, source_id, day in connection.execute(_MINUTE_DAYS).fetchall():
            if rng.random() < share:
                factors = factors_of(connection, plans.get(facility_id), source_id, day, day)
                packed += minute_days.pack(connection, source_id, day, factors).rows > 0
    return packed


def unpack_all_minutes(connection: psycopg.Connection[Any]) -> None:
    """Make rows of all minutes again."""
    rows = connection.execute("SELECT source_id, day FROM packed_minutes").fetchall()
    if rows:
        sources, packed_days = (np.array(column) for column in zip(*rows, strict=True))
        with connection.transaction():
            minute_days.open_days(connection, sources, packed_days)


def unpack_all(connection: psycopg.Connection[Any]) -> None:
    """Make rows of everything again."""
    rows = connection.execute("SELECT channel_id, day FROM packed_readings").fetchall()
    if rows:
        channels, packed_days = (np.array(column) for column in zip(*rows, strict=True))
        with connection.transaction():
            days.open_days(connection, channels, packed_days)


class PackedPlant(Plant):
    """A plant whose readings and minutes are packed, half of the days, around each tick."""

    def __init__(self, url: str, text: str = FILE, *, seed: int = 7) -> None:
        super().__init__(url, text)
        self._rng = random.Random(seed)
        #: days that were packed, of readings and of minutes
        self.packed = 0
        self.packed_minutes = 0

    def store(self, readings: Sequence[Reading], *, live: bool = True) -> None:
        with self.connection.transaction():
            days.open_for_writing(
                self.connection,
                [self.channels[r.channel] for r in readings],
                np.array([int(r.ts.timestamp()) // 86_400 for r in readings]),
            )
            super().store(readings, live=live)

    def tick_once(self, now: datetime) -> Ticked:
        self._pack()
        done = super().tick_once(now)
        self._pack()
        return done

    def _pack(self) -> None:
        self.packed += pack_some(self.connection, self._rng, 0.5, together=3)
        self.packed_minutes += pack_some_minutes(self.connection, self._rng, 0.5)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database; a test that asks for readings or minutes asks for all of them."""
        if "reading" in sql:
            unpack_all(self.connection)
        with self.connection.transaction():
            if "minute" in sql:
                ever = [Interval(start=0, end=2**31 - 1)]
                minute_history.open_intervals(self.connection, list(self.sources.values()), ever)
            return super().rows(sql)
