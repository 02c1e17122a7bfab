"""A PostgreSQL whose clock jumps ahead, back and to the right time: no answer shows it.

Readings come late, are replaced, corrected and discarded, and a factor changes, while its clock
is right and while it is not. Each is written by a process that goes by the time that is believed,
or by one that knows no more of it than what processes report.
"""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from services.aggregator.loop import Loop
from services.api.app import create_app
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import database_time
from services.core.store.database.connect import connect
from services.core.store.database.progress import ProgressReporter
from services.core.store.database.transactions import writing
from services.core.store.readings import writer
from services.core.store.readings.writer import Correction, ReadingRow, Supersession
from services.core.store.schema.migrate import upgrade
from services.core.timeline.instants import to_us
from tests.clocks import ClockedPostgres, available
from tests.command import tonne
from tests.integration.aggregator.looping import loop_over
from tests.integration.aggregator.plant import Plant, apply_text
from tests.integration.api.recorded import Recorder, differing, discard
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S, until
from tests.services import server_directory

pytestmark = [pytest.mark.database, pytest.mark.timeout(400)]

FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: interval, length: 10m, stamp: start}
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources:
  - {id: grid, scope: 2, method: activity, input: meter.energy, factor: f, lateness: 0}
"""
CHANNEL = "meter.energy"

#: How far the clock is from the right time, one after the other.
JUMPS = ("+0s", "+3h", "+0s", "-3h", "+3h", "-3h", "+0s")
NO_JUMP = ("+0s",) * len(JUMPS)

HOUR, TEN_MINUTES = timedelta(hours=1), timedelta(minutes=10)

#: Two that write one after the other differ by less in what they believe.
APART = timedelta(milliseconds=100)

#: Whatever a run in which the clock jumps must have in common with one in which it does not.
TOTALS = (
    "SELECT hour, co2_ug, covered_ms, final, version, quality FROM emission_hour ORDER BY 1",
    "SELECT hour, version, co2_ug, covered_ms, reason FROM emission_hour_history ORDER BY 1, 2",
    "SELECT minute, co2_ug, covered_ms FROM emission_minute ORDER BY 1",
    "SELECT ts, value FROM reading ORDER BY 1",
    "SELECT ts, old_value, new_value FROM reading_correction ORDER BY id",
    "SELECT ts, value FROM discarded_reading ORDER BY id",
    "SELECT count(*) FROM touched",
)


@dataclass
class Story:
    """What happens at a plant, while the database's clock is what it is."""

    server: ClockedPostgres
    plant: Plant
    url: str
    start: datetime
    recorder: Recorder
    steady: SteadyTime
    loop: Loop
    phase: int = 0

    async def tell(self, offsets: tuple[str, ...]) -> None:
        """Let all of it happen at each of the offsets."""
        self._come(self.start + i * TEN_MINUTES for i in range(60))
        for self.phase, offset in enumerate(offsets):
            self.server.clock.jump_to(offset)
            self._work()
            assert self.steady.is_frozen == (offset != "+0s")
            for act in (
                self._comes_late,
                self._is_accepted,
                self._is_superseded,
                self._is_amended,
                self._is_discarded,
                self._changes_factor,
            ):
                act()
                self._work()
                await self._record()
            self._verify(offset)

    # -- what happens -------------------------------------------------------------------------

    def _comes_late(self) -> None:
        """A reading waited in a broker for minutes."""
        self._come([self._ts(0) + timedelta(seconds=300)], waited_s=400)

    def _is_accepted(self) -> None:
        """A person accepts a conflict; ingest replaces what is stored."""
        with self.plant.connection.transaction():
            database_time.date_by(self.plant.connection, self._present())
            correction = Correction(row=self._row(self._ts(1), 90), quarantine_id=1)
            writer.correct(
                self.plant.connection, [correction], by="b", note=None, reason="accepted"
            )

    def _is_superseded(self) -> None:
        """The channel's own rule lets the later of two readings stand, and keeps another apart."""
        for seconds, wins in ((0, True), (600, False)):
            row = self._row(self._ts(2) + timedelta(seconds=seconds), 70)
            with self.plant.connection.transaction():
                written = writer.write(self.plant.connection, [row], now=self._present())
                (conflict,) = written.conflicts
                writer.supersede(
                    self.plant.connection,
                    [
                        Supersession(
                            row=row, conflict=conflict, wins=wins, rule="r", reason="superseded"
                        )
                    ],
                )

    def _is_amended(self) -> None:
        """A person corrects a reading, and adds another, in a transaction that states no time."""
        ts = self._ts(4)
        for at, stored in ((ts, 4.0), (ts + timedelta(seconds=200), None)):
            with self.plant.connection.transaction():
                amended = self.plant.connection.execute(
                    "SELECT amend_reading(%s, %s, %s, 0::int2, %s, %s, %s, 'b', 'amended')",
                    (
                        self.plant.channels[CHANNEL], at, 50.0 + self.phase, stored is not None,
                        None if stored is None else self._value(at), None if stored is None else 0,
                    ),
                ).fetchone()  # fmt: skip
                assert amended == (True,)
                self._touch(at, "amended")

    def _is_discarded(self) -> None:
        discard(self.plant, CHANNEL, self._ts(5), self._ts(5) + timedelta(seconds=1))

    def _changes_factor(self) -> None:
        kg = 0.3 + self.phase / 100
        assert apply_text(self.url, FILE.replace("co2_kg: 0.25", f"co2_kg: {kg:.2f}"))

    # -- how ----------------------------------------------------------------------------------

    def _ts(self, place: int) -> datetime:
        """One of the readings that a phase changes."""
        return self.start + self.phase * HOUR + place * TEN_MINUTES

    @staticmethod
    def _value(ts: datetime) -> float:
        return float(ts.minute // 10 + ts.second)

    def _present(self) -> datetime:
        database_time.look(self.plant.connection, self.steady)
        assert self.steady.believed is not None
        return self.steady.believed

    def _row(self, ts: datetime, value: float | None = None, *, waited_s: float = 0) -> ReadingRow:
        received = datetime.now(UTC) - timedelta(seconds=waited_s)
        return ReadingRow(
            self.plant.facility_id, self.plant.channels[CHANNEL], to_us(ts),
            self._value(ts) if value is None else value + self.phase, 0, 0, to_us(received),
        )  # fmt: skip

    def _come(self, times: Any, *, waited_s: float = 0) -> None:
        rows = [self._row(ts, waited_s=waited_s) for ts in times]
        with self.plant.connection.transaction():
            written = writer.write(self.plant.connection, rows, now=self._present())
        assert written.stored == len(rows)

    def _touch(self, ts: datetime, reason: str) -> None:
        self.plant.connection.execute(
            "INSERT INTO touched (facility_id, channel_ids, minutes, seconds, reason)"
            " VALUES (%s, %s, %s, '{0}', %s)",
            (
                self.plant.facility_id, [self.plant.channels[CHANNEL]],
                [int(ts.timestamp()) // 60], reason,
            ),
        )  # fmt: skip

    def _work(self) -> None:
        """Let the aggregator do what there is to do, and say of the clock what it found."""
        while True:
            self.loop._paced_until_s.clear()
            self.loop._progress._next_at = 0.0
            if not self.loop.run_once(self.plant.connection):
                return

    async def _record(self) -> None:
        """Write down what is answered at an instant that is apart from what is before and after."""
        self._pass(APART)
        self.recorder.clock.instant = instant = datetime.now(UTC)
        self.recorder.answers[instant] = await self.recorder.ask()
        self._pass(APART)

    @staticmethod
    def _pass(time: timedelta) -> None:
        began = datetime.now(UTC)
        until(lambda: datetime.now(UTC) - began > time, "time passes", longest_pause_s=0.05)

    def _verify(self, offset: str) -> None:
        answer = json.loads(tonne(self.url, "verify", "--json").stdout)
        assert answer["differs"] == [], (self.phase, offset)
        assert answer["checked"] >= len(JUMPS)

    def totals(self) -> list[list[Any]]:
        return [self.plant.rows(each) for each in TOTALS]


@pytest.fixture(scope="module")
def server() -> Iterator[ClockedPostgres]:
    if not available():
        pytest.skip("libfaketime is missing; run: deploy/local/bootstrap.sh test")
    with server_directory(for_postgres=True) as directory:
        server = ClockedPostgres(directory)
        server.start()
        server.execute("CREATE DATABASE tonne")
        upgrade(server.url_of("tonne"))
        yield server
        server.stop()


@pytest.fixture
def tell(
    server: ClockedPostgres, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, datetime], Any]:
    # nothing was written just now: hours may be closed as soon as they are due
    monkeypatch.setattr("services.aggregator.minute_rollover.SETTLE_S", 0.0)
    # nobody else is there
    monkeypatch.setattr("services.aggregator.loop._LEAVE_S", 0.0)

    @asynccontextmanager
    async def story(name: str, start: datetime) -> AsyncIterator[Story]:
        server.execute(f"CREATE DATABASE {name} TEMPLATE tonne")
        url = server.url_of(name)
        plant = Plant(url, FILE)
        writer.create_staging(plant.connection)
        steady, clock = SteadyTime(), FixedClock(datetime.now(UTC))
        settings = Settings(database_url=SecretStr(url), api_auth="off")
        async with (
            serving(create_app(settings, clock=clock, health_holds_s=0)) as address,
            httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
        ):
            yield Story(
                server=server,
                plant=plant,
                url=url,
                start=start,
                recorder=Recorder(
                    client, plant, clock, start, [("grid", start + i * HOUR) for i in (1, 4)],
                    only=frozenset(
                        {"hours", "restatements", *(f"grid {start + i * HOUR}" for i in (1, 4))}
                    ),
                ),
                steady=steady,
                loop=loop_over(url, steady),
            )  # fmt: skip
        plant.close()

    return story


async def test_jumps_of_the_databases_clock_change_no_answer(
    tell: Callable[[str, datetime], Any],
) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 11 * HOUR
    async with tell("steady", start) as story:
        await story.tell(NO_JUMP)
        expected = story.totals()
        assert await story.recorder.differences() == {}
    async with tell("jumping", start) as story:
        await story.tell(JUMPS)
        assert story.totals() == expected
        found = await story.recorder.differences()
        lines = [
            f"{instant:%H:%M:%S.%f} {name}{line}"
            for (instant, name), pair in found.items()
            for line in differing(*pair)
        ]
        assert not lines, "\n".join(lines[:40])


def test_who_writes_in_the_moment_of_a_jump_waits_for_what_processes_report(
    server: ClockedPostgres,
) -> None:
    server.execute("CREATE DATABASE moment TEMPLATE tonne")
    url, steady = server.url_of("moment"), SteadyTime()
    progress = ProgressReporter("aggregator", clock=steady)
    with connect(url, process="aggregator", autocommit=True) as connection:
        database_time.look(connection, steady)
        progress.report(connection, {})
        for offset in ("+3h", "-3h", "+0s"):
            server.clock.jump_to(offset)
            # it is at work, and has not looked at the clock since
            report = threading.Timer(0.5, lambda: progress.report(connection, {}))
            report.start()
            with writing(url, process="admin") as transaction:
                dates = transaction.execute(select(func.known_now(), database_time.NOW)).one()
            assert all(abs(date - datetime.now(UTC)) < timedelta(minutes=1) for date in dates), (
                offset,
                dates,
            )
            report.join()
    server.clock.jump_to("+3h")
    # nobody is there who could report
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT clock_is_reported()").fetchone() == (True,)
    server.clock.jump_to("+0s")
