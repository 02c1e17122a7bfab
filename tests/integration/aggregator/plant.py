"""A small facility with one channel of each kind, and readings written as ingest writes them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from services.aggregator.head import Head
from services.aggregator.pieces import Pieces
from services.aggregator.tick import Ticked, tick
from services.core.store.database.connect import connect
from services.core.store.registry import read
from services.core.store.registry.plan import FacilityPlan, facility_plans
from tests import applying

FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter, estimated_after: 20m,
         max_rate: 1000}
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 120}
      - {id: quarter, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end}
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 180}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 180}
factors:
  - {id: f, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, valid_to: 2026-01-01, citation: a}
  - {id: f, unit: kWh, co2_kg: 0.2, valid_from: 2026-01-01, citation: b}
sources:
  - {id: by-counter, scope: 2, method: activity, input: meter.energy, factor: f}
  - {id: by-gauge, scope: 2, method: activity, input: meter.power, factor: f}
  - {id: by-interval, scope: 2, method: activity, input: meter.quarter, factor: f}
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: cems.co2, flow: cems.flow}
"""


_KNOWN_COLUMNS = (
    "emission_hour.known_at",
    "emission_hour.opened_at",
    "emission_hour_history.known_at",
    "emission_hour_history.superseded_at",
    "source_revision.known_at",
    "source.retired_at",
    "factor.known_from",
    "factor.known_to",
    "source_hour_input.known_at",
    "source_hour_input_history.known_at",
    "source_hour_input_history.superseded_at",
    "reading.received_at",
    "reading.known_at",
    "reading_correction.corrected_at",
    "discarded_reading.discarded_at",
)
"""When the database says that something was known."""


@dataclass(frozen=True)
class Reading:
    channel: str
    ts: datetime
    value: float | None
    quality: int = 0


def apply_text(url: str, text: str = FILE, *, by: str | None = None) -> list[str]:
    return applying.apply_text(url, text, by=by)


class Plant:
    """The facility in a database, with the aggregator run by hand at chosen times."""

    def __init__(self, url: str, text: str = FILE) -> None:
        apply_text(url, text)
        #: how much one tick does
        self.pieces = Pieces()
        #: days before this one are packed as they are computed
        self.pack_before = 0
        self._plan: FacilityPlan | None = None
        self._revision = -1
        self._recent = Head()
        self._history_first = False
        self.connection: psycopg.Connection[Any] = connect(url, process="test", autocommit=True)
        #: nothing that a test dates itself is later than this
        self.real_start = datetime.now(UTC) - timedelta(hours=1)
        rows = self.connection.execute(
            "SELECT d.slug || '.' || c.slug, c.id"
            " FROM channel c JOIN device d ON d.id = c.device_id"
        )
        self.channels: dict[str, int] = dict(rows.fetchall())
        self.facility_id = self.connection.execute("SELECT id FROM facility").fetchone()[0]
        self.sources: dict[str, int] = dict(
            self.connection.execute("SELECT slug, id FROM source").fetchall()
        )

    def close(self) -> None:
        self.connection.close()

    def store(self, readings: Sequence[Reading], *, live: bool = True) -> None:
        """One batch, as ingest commits it; ``live``: it was not history when it arrived."""
        with self.connection.transaction():
            self.connection.cursor().executemany(
                "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
                " VALUES (%s, %s, %s, %s, now(), 0) ON CONFLICT DO NOTHING",
                [(self.channels[r.channel], r.ts, r.value, r.quality) for r in readings],
            )
            self.connection.execute(
                "INSERT INTO touched (facility_id, channel_ids, minutes, seconds, live)"
                " VALUES (%s, %s, %s, %s, %s)",
                (
                    self.facility_id,
                    [self.channels[r.channel] for r in readings],
                    [int(r.ts.timestamp()) // 60 for r in readings],
                    [int(r.ts.timestamp()) % 60 for r in readings],
                    live,
                ),
            )

    def tick(self, now: datetime) -> None:
        """Tick until there is nothing left to do; what is remembered lasts, unless it is forgotten.

        The plan is read anew when the registry has changed.
        """
        revision = read.revision(self.connection)
        if self._plan is None or self._revision != revision:
            self._plan = facility_plans(self.connection)[self.facility_id]
            self._revision = revision
        while self.tick_once(now).worked:
            pass

    def tick_once(self, now: datetime) -> Ticked:
        """One tick, by the plan as it was read last."""
        if self._plan is None:
            self._plan = facility_plans(self.connection)[self.facility_id]
            self._revision = read.revision(self.connection)
        done = tick(
            self.connection,
            self._plan,
            now,
            self._recent,
            self.pieces,
            history_first=self._history_first,
            pack_before=self.pack_before,
        )
        self._history_first = done.history_waits
        return done

    def restart(self) -> None:
        """As if the aggregator were another process from now on."""
        self._plan, self._recent, self._history_first = None, Head(), False

    def tick_as_if(self, now: datetime) -> None:
        """Tick, and date what that made known with ``now`` instead of the database's clock.

        Applied configuration is dated with it too.
        """
        self.tick(now)
        for column in _KNOWN_COLUMNS:
            table, name = column.split(".")
            self.connection.execute(
                f"UPDATE {table} SET {name} = %s WHERE {name} > %s",  # noqa: S608 - names above
                (now, self.real_start),
            )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def totals(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that readings decide; versions tell when, not what."""
        return {
            "minutes": self.rows(
                "SELECT source_id, minute, co2_ug, co2e_ug, activity_n, covered_ms, estimated_ms"
                " FROM emission_minute WHERE covered_ms > 0 ORDER BY 1, 2"
            ),
            "hours": self.rows(
                "SELECT source_id, hour, co2_ug, co2e_ug, activity_n, covered_ms, estimated_ms,"
                " quality"
                " FROM emission_hour WHERE covered_ms > 0 ORDER BY 1, 2"
            ),
            "rolling": self.rows(
                "SELECT source_id, span, since, upto, co2_ug, co2e_ug, covered_ms, estimated_ms"
                " FROM rolling_total ORDER BY 1, 2"
            ),
        }

    def empty(self) -> None:
        """Forget every reading and total; the registry stays."""
        self.restart()
        self.connection.execute(
            "TRUNCATE reading, touched, recompute, following_minutes, emission_minute,"
            " emission_hour, emission_hour_history, source_hour_input, calibration_test,"
            " rolling_total, packed_readings, packed_minutes, packed_hours, packing_horizon"
        )
        self.connection.execute("UPDATE facility_progress SET carried_to = NULL, rolled_to = NULL")


def some_readings(rng: random.Random, start: datetime, hours: float) -> list[Reading]:
    """Every kind of channel with its troubles: gaps, nulls, bad values, a register that resets."""
    end = start + timedelta(hours=hours)
    found: list[Reading] = []
    register = 100.0
    ts = start
    while ts < end:
        register += rng.uniform(0, 2)
        if rng.random() < 0.01:
            register = rng.choice([0.0, 0.3])
        found.append(Reading("meter.energy", ts, round(register, 3)))
        ts += timedelta(seconds=rng.choice([10, 60, 60, 300, 1800]))
    for channel, low, high in (
        ("meter.power", 0, 500),
        ("cems.co2", 8, 14),
        ("cems.flow", 1e5, 2e5),
    ):
        ts = start
        while ts < end:
            value = None if rng.random() < 0.03 else round(rng.uniform(low, high), 2)
            found.append(Reading(channel, ts, value, rng.choice([0] * 20 + [1, 2, 3])))
            ts += timedelta(seconds=rng.choice([7.25, 30, 60, 90, 400]))
    ts = start.replace(minute=0, second=0, microsecond=0)
    while ts < end:
        if rng.random() > 0.1:
            found.append(Reading("meter.quarter", ts, round(rng.uniform(0, 50), 3)))
        ts += timedelta(minutes=15)
    return found


def batches(rng: random.Random, readings: Iterable[Reading]) -> list[list[Reading]]:
    """The readings shuffled, some of them twice, cut into batches at random."""
    mixed = list(readings)
    mixed += rng.sample(mixed, len(mixed) // 5)
    rng.shuffle(mixed)
    cuts = sorted(rng.sample(range(1, len(mixed)), rng.randint(1, 12)))
    return [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
