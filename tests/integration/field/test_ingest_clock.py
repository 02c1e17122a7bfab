"""Clocks that are wrong where ingest runs, and what readings are judged by meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from services.core.runtime.clock import FixedClock
from services.core.runtime.steady_time import TOLERANCE_S, SteadyTime

START = datetime(2026, 6, 15, 12, tzinfo=UTC)


@dataclass
class _Ingest:
    """Ingest's look at the time, on a machine whose clock and whose database's somebody may set."""

    machine_off: timedelta = timedelta()
    database_off: timedelta = timedelta()
    passed_s: float = 0.0
    machine: FixedClock = field(default_factory=lambda: FixedClock(START))

    def __post_init__(self) -> None:
        self.steady = SteadyTime(machine=self.machine, elapsed_s=lambda: 1e6 + self.passed_s)
        self.go_on()

    @property
    def true(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def go_on(self, seconds: int = 1, *, look_takes_s: float = 0.0) -> None:
        for _ in range(seconds):
            self.passed_s += 1
            began_s = self.steady.begin_look()
            self.passed_s += look_takes_s
            self.machine.instant = self.true + self.machine_off
            self.steady.observe(self.true + self.database_off, began_s=began_s)

    def off_s(self) -> float:
        """By how much a message that arrives now is timed wrongly."""
        self.machine.instant = self.true + self.machine_off
        return (self.steady.now() - self.true) / timedelta(seconds=1)

    @property
    def said(self) -> dict[str, str]:
        return {each["code"]: each["detail"] for each in self.steady.notices()}


@pytest.mark.incident
@pytest.mark.parametrize("wrong", [timedelta(hours=-1), timedelta(hours=2)])
def test_a_wrong_clock_is_noticed_and_what_arrives_is_timed_by_the_databases(
    wrong: timedelta,
) -> None:
    ingest = _Ingest(machine_off=wrong)
    assert abs(ingest.off_s()) < TOLERANCE_S
    assert ("behind" in ingest.said["clock-differs"]) == (wrong < timedelta())
    # put right: what arrives is timed by it at once, and that is said at the next look
    ingest.machine_off = timedelta()
    assert ingest.off_s() == 0
    ingest.go_on()
    assert ingest.said == {}


@pytest.mark.incident
@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=2), timedelta(days=400)])
@pytest.mark.parametrize("both", [True, False], ids=["of both", "of the database"])
def test_what_arrives_while_the_databases_clock_jumps_is_timed_as_before(
    jump: timedelta, both: bool
) -> None:
    ingest = _Ingest()
    ingest.database_off = jump
    ingest.machine_off = jump if both else timedelta()
    ingest.go_on(75)
    assert abs(ingest.off_s()) < TOLERANCE_S
    assert list(ingest.said) == ["clock-jumped"]
    ingest.database_off = ingest.machine_off = timedelta()
    ingest.go_on()
    assert (ingest.off_s(), ingest.said) == (0, {})


def test_of_a_clock_that_is_about_right_nothing_is_said_and_the_databases_times() -> None:
    ingest = _Ingest(machine_off=timedelta(seconds=1))
    assert ingest.off_s() == 0
    assert ingest.said == {}


def test_a_look_that_took_long_says_nothing() -> None:
    ingest = _Ingest()
    ingest.machine_off = timedelta(hours=-1)
    ingest.go_on(look_takes_s=2.0)
    assert ingest.said == {}
    ingest.go_on()
    assert "clock-differs" in ingest.said
