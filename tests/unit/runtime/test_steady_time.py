"""Time goes on evenly, whatever somebody sets a clock to, and jumps are said and believed late."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from services.core.runtime.clock import FixedClock
from services.core.runtime.steady_time import SteadyTime

START = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


@dataclass
class Clocks:
    """True time, a machine's clock and a database's that somebody may set."""

    passed_s: float = 0.0
    machine: FixedClock = field(default_factory=lambda: FixedClock(START))
    database_off_s: float = 0.0
    machine_off_s: float = 0.0

    def __post_init__(self) -> None:
        self.steady = SteadyTime(
            machine=self.machine, elapsed_s=lambda: 1e6 + self.passed_s, believed_after_s=300
        )
        self.go_on(0)

    @property
    def true(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def go_on(self, seconds: float, *, look_takes_s: float = 0.0) -> None:
        """Time passes, a look each second."""
        for _ in range(max(1, int(seconds))):
            self.passed_s += min(1.0, seconds)
            self.machine.instant = self.true + timedelta(seconds=self.machine_off_s)
            began_s = self.steady.begin_look()
            self.passed_s += look_takes_s
            self.steady.observe(self.true + timedelta(seconds=self.database_off_s), began_s=began_s)

    @property
    def off_s(self) -> float:
        return (self.steady.now() - self.true).total_seconds()

    @property
    def said(self) -> list[str]:
        return [notice["code"] for notice in self.steady.notices()]


@pytest.mark.parametrize("jump_s", [7200.0, -3600.0, 63_072_000.0, -60.0])
def test_a_database_that_jumps_and_comes_back_leaves_no_trace(jump_s: float) -> None:
    clocks = Clocks()
    clocks.database_off_s = clocks.machine_off_s = jump_s
    clocks.go_on(75)
    assert clocks.off_s == pytest.approx(0, abs=0.1)
    assert clocks.steady.is_frozen
    assert clocks.said == ["clock-jumped"]
    clocks.database_off_s = clocks.machine_off_s = 0.0
    clocks.go_on(1)
    assert not clocks.steady.is_frozen
    assert clocks.said == []
    assert clocks.off_s == pytest.approx(0, abs=0.1)


def test_a_time_that_stays_is_believed_in_the_end() -> None:
    clocks = Clocks()
    clocks.database_off_s = 7200.0
    clocks.go_on(299)
    assert clocks.steady.is_frozen
    clocks.go_on(3)
    assert not clocks.steady.is_frozen
    assert clocks.off_s == pytest.approx(7200.0)


def test_a_clock_that_jumps_again_and_again_is_not_believed() -> None:
    clocks = Clocks()
    for k in range(1, 10):
        clocks.database_off_s = 600.0 * k
        clocks.go_on(200)
    assert clocks.steady.is_frozen
    assert clocks.off_s == pytest.approx(0, abs=0.1)


def test_a_clock_that_drifts_or_is_slewed_is_followed() -> None:
    clocks = Clocks()
    for _ in range(3600):
        clocks.database_off_s += 0.001
        clocks.go_on(1)
    assert not clocks.steady.is_frozen
    assert clocks.off_s == pytest.approx(3.6)
    # a second that is inserted by setting the clock back
    clocks.database_off_s -= 1.0
    clocks.go_on(1)
    assert not clocks.steady.is_frozen


def test_a_machine_that_differs_is_said_and_has_no_say() -> None:
    clocks = Clocks()
    clocks.machine_off_s = 7200.0
    clocks.go_on(1)
    assert clocks.off_s == pytest.approx(0)
    assert not clocks.steady.is_frozen
    assert clocks.said == ["clock-differs"]
    (notice,) = clocks.steady.notices()
    assert "7200 s ahead of" in notice["detail"]


def test_a_look_that_took_long_says_nothing() -> None:
    clocks = Clocks()
    clocks.database_off_s = 30.0
    clocks.go_on(1, look_takes_s=10.0)
    assert not clocks.steady.is_frozen
    assert clocks.off_s == pytest.approx(0)


def test_before_the_database_was_seen_the_machine_is_asked() -> None:
    machine = FixedClock(START)
    assert SteadyTime(machine=machine).now() == START
