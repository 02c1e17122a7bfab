"""A clock that jumps and comes back leaves totals as if it never had; meanwhile it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.runtime.clock import FixedClock
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import database_time
from tests.integration.aggregator.looping import loop_over
from tests.integration.aggregator.plant import FILE, Plant, Reading, instant
from tests.services import Postgres

pytestmark = pytest.mark.database

#: The night in which Vienna's clocks go forward, which is nothing to a clock that tells UTC.
START = instant("2026-03-29T00:40:00Z")

#: A stack under a rule beside the sources under none: closing adds to its minutes.
RULED = FILE.replace(
    "inputs: {co2: cems.co2, flow: cems.flow}",
    "inputs: {co2: cems.co2, flow: cems.flow}\n    validity: part75\n    lateness: 5m",
).replace("input: meter.power, factor: f", "input: meter.power, factor: f, lateness: 0")

#: How long time goes on as it should: an hour ends, and is closed where its rule lets it be.
ON_S = 1500

#: Whatever a run without a jump must have in common with one.
TOTALS = (
    (
        "SELECT s.slug, h.hour, h.co2_ug, h.covered_ms, h.final, h.version, h.quality, h.code,"
        " h.known_at, h.opened_at"
        " FROM emission_hour h JOIN source s ON s.id = h.source_id ORDER BY 1, 2"
    ),
    (
        "SELECT s.slug, m.minute, m.co2_ug, m.covered_ms, m.closing_ug, m.closing_ms"
        " FROM emission_minute m JOIN source s ON s.id = m.source_id ORDER BY 1, 2"
    ),
    (
        "SELECT s.slug, r.span, r.since, r.upto, r.co2_ug, r.covered_ms, r.closing_ms"
        " FROM rolling_total r JOIN source s ON s.id = r.source_id ORDER BY 1, 2"
    ),
    (
        "SELECT source_id, hour, version, known_at, superseded_at FROM emission_hour_history"
        " ORDER BY 1, 2, 3"
    ),
    "SELECT carried_to, rolled_to, judged_to FROM facility_progress",
)


class Bench:
    """A loop over a real database in which true time, machine and database clock are played."""

    def __init__(self, url: str, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.plant = url, plant
        self.true = START
        self.database_off = self.machine_off = timedelta()
        self.machine = FixedClock(START)
        monkeypatch.setattr(database_time, "look", self._look)
        # nothing was written just now: hours may be closed as soon as they are due
        monkeypatch.setattr("services.aggregator.minute_rollover.SETTLE_S", 0.0)
        # nobody else is there
        monkeypatch.setattr("services.aggregator.loop._LEAVE_S", 0.0)
        self.start()

    def start(self) -> None:
        """Start the aggregator, or start it anew."""
        self.steady = SteadyTime(
            machine=self.machine, elapsed_s=lambda: (self.true - START).total_seconds() + 1e6
        )
        self.loop = loop_over(self.url, self.steady)
        database_time.adopt(self.plant.connection, self.steady)

    def _look(self, _connection: Any, steady: SteadyTime) -> None:
        self.machine.instant = self.true + self.machine_off
        steady.observe(self.true + self.database_off, began_s=steady.begin_look())

    def go_on(
        self, seconds: int, *, step_s: int = 15, each: Callable[[], None] = lambda: None
    ) -> None:
        """Let time pass, step by step: readings come, and the aggregator works them off."""
        for _ in range(seconds // step_s):
            self.true += timedelta(seconds=step_s)
            self.plant.store(readings(self.true))
            while self.turn():
                pass
            each()

    def turn(self) -> bool:
        self.loop._paced_until_s.clear()
        self.loop._progress._next_at = 0.0
        return self.loop.run_once(self.plant.connection)

    def totals(self) -> list[list[Any]]:
        return [self.plant.rows(each) for each in TOTALS]

    def said(self) -> list[str]:
        return [
            row[0]
            for row in self.plant.rows(
                "SELECT n ->> 'code' FROM process_progress,"
                " jsonb_array_elements(state -> 'notices') n WHERE process = 'aggregator'"
            )
        ]


def readings(at: datetime) -> list[Reading]:
    passed_s = (at - START).total_seconds()
    found = [
        Reading("meter.energy", at, 100 + passed_s / 36),
        Reading("meter.power", at, 50.0),
        Reading("cems.co2", at, 10.0),
        Reading("cems.flow", at, 1_000_000.0),
    ]
    if passed_s % 900 == 0:
        found.append(Reading("meter.quarter", at, 5.0))
    return found


@pytest.fixture
def bench(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    plant = Plant(database_url, RULED)
    yield Bench(database_url, plant, monkeypatch)
    plant.close()


@pytest.fixture(scope="module")
def undisturbed(postgres_cluster: Postgres, migrated_template: str) -> list[list[Any]]:
    """The totals of a run in which no clock jumps: of one length, the same for every test."""
    with (
        postgres_cluster.fresh_database(template=migrated_template) as url,
        pytest.MonkeyPatch.context() as patch,
        closing(Plant(url, RULED)) as plant,
    ):
        bench = Bench(url, plant, patch)
        bench.go_on(600, step_s=60)
        bench.go_on(120)
        bench.go_on(ON_S, step_s=60)
        return bench.totals()


JUMPS = {
    "two hours ahead": timedelta(hours=2),
    "an hour behind": timedelta(hours=-1),
    "a year ahead": timedelta(days=365),
    "a second": timedelta(seconds=1),
}


@pytest.mark.parametrize("with_database", [True, False], ids=["both clocks", "its own clock"])
@pytest.mark.parametrize("jump", JUMPS)
def test_totals_are_those_of_a_run_without_a_jump(
    bench: Bench,
    undisturbed: list[list[Any]],
    jump: str,
    with_database: bool,
) -> None:
    bench.go_on(600, step_s=60)
    finals = bench.plant.rows("SELECT count(*) FROM emission_hour WHERE final")
    bench.machine_off = JUMPS[jump]
    bench.database_off = JUMPS[jump] if with_database else timedelta()
    said: set[str] = set()
    bench.go_on(105, each=lambda: said.update(bench.said()))
    far = abs(JUMPS[jump]) > timedelta(seconds=5)
    code = "clock-jumped" if with_database else "clock-differs"
    assert said == ({code} if far else set())
    assert bench.plant.rows("SELECT count(*) FROM emission_hour WHERE final") == finals
    bench.machine_off = bench.database_off = timedelta()
    bench.go_on(15)
    assert bench.said() == []
    bench.go_on(ON_S, step_s=60)
    assert bench.totals() == undisturbed
    assert sum(row[4] for row in undisturbed[0]) == 4, (
        "the hour that ended is final, of every source"
    )


def test_an_aggregator_that_starts_anew_meanwhile_knows_of_the_jump(bench: Bench) -> None:
    bench.go_on(60)
    bench.database_off = bench.machine_off = timedelta(hours=2)
    bench.go_on(30)
    # the report of the one before is a moment old
    bench.start()
    bench.go_on(30)
    assert bench.steady.is_frozen
    assert bench.plant.rows("SELECT 1 FROM emission_hour WHERE final") == []
    ((carried_to,),) = bench.plant.rows("SELECT carried_to FROM facility_progress")
    assert carried_to <= bench.true


def test_what_was_done_in_a_future_that_was_believed_is_undone(
    bench: Bench, undisturbed: list[list[Any]]
) -> None:
    bench.go_on(600, step_s=60)
    bench.database_off = bench.machine_off = timedelta(hours=2)
    # it knows no better: the clock was wrong before it started
    bench.plant.connection.execute("DELETE FROM process_progress")
    bench.start()
    bench.go_on(60)
    ((early,),) = bench.plant.rows("SELECT count(*) FROM emission_hour WHERE final")
    assert early, "an hour was closed that is not over"
    bench.database_off = bench.machine_off = timedelta()
    bench.start()
    bench.plant.connection.execute("DELETE FROM process_progress")
    bench.go_on(60)
    assert bench.plant.rows("SELECT 1 FROM emission_hour WHERE final AND hour > '2026-03-29'") == []
    bench.go_on(ON_S, step_s=60)
    hours, _, windows, _, progress = bench.totals()
    assert [row[:5] for row in hours if row[1] <= bench.true] == [row[:5] for row in undisturbed[0]]
    assert windows == undisturbed[2]
    assert progress == undisturbed[4]


def test_no_reading_is_dropped_at_a_time_that_is_not_sure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[datetime] = []
    monkeypatch.setattr(
        bench.loop._retention,
        "step",
        lambda _connection, now: dropped.append(now),
    )
    bench.go_on(285)
    assert dropped == []
    bench.go_on(60)
    assert dropped
    dropped.clear()
    bench.database_off = timedelta(days=3650)
    bench.go_on(75)
    bench.database_off = timedelta()
    bench.go_on(285)
    assert dropped == []


def test_a_facility_is_left_to_nobody_who_worked_on_it_in_the_future(bench: Bench) -> None:
    bench.go_on(60)
    bench.plant.connection.execute(
        "UPDATE facility_progress SET changed_at = now() + interval '2 hours'"
    )
    bench.start()
    bench.go_on(15)
    assert bench.plant.rows("SELECT 1 FROM touched") == []
    ((changed_at,),) = bench.plant.rows("SELECT changed_at FROM facility_progress")
    assert changed_at <= datetime.now(UTC)
