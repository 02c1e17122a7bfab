"""When a monitor is out of control by its daily calibrations, and when it is in their grace.

A passed test vouches for 26 clock hours, its own among them. Where the unit stood still in one of
these, the monitor stays in control until 8 hours have passed since the unit started again: there
was no gas to test it with (40 CFR 75 App. B 2.1.5; the hours as EPA's checking code counts them).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from services.core.accounting.stack.qa import CalibrationTest
from services.core.timeline.instants import HOUR_US

CALIBRATION_VALID_HOURS = 26
"""Clock hours, with its own, that a passed daily calibration vouches for."""

GRACE_HOURS = 8
"""Clock hours from the first one of operation after a shutdown, in which no test is due yet."""

_FIRST_DAY_HOURS = 25
"""Clock hours, from a monitor's first, in which a shutdown defers its first test."""

FAILED = "failed"
EXPIRED = "expired"
NO_PRIOR_TEST = "no prior test"


@dataclass(frozen=True, kw_only=True)
class OutOfControl:
    """A span whose data are not quality-assured; `to_us` None: still going on."""

    from_us: int
    to_us: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The hours since the epoch in which a unit operated, as far as its monitor's tests need it.

    It operated in every hour but those of `idle`. `first_hour` is its first hour of all, None where
    nothing is to be said of a monitor that was not tested yet.
    """

    idle: Set[int] = frozenset()
    first_hour: int | None = None

    def next_hour(self, hour: int) -> int:
        """Return the first hour of operation from `hour` on."""
        while hour in self.idle:
            hour += 1
        return hour

    def expires_after(self, hour: int, *, covered_hours: int) -> int:
        """Return the first hour that a test in `hour` does not vouch for.

        `covered_hours`, from `hour` on, are those in which a shutdown begins a period of grace.
        """
        shutdown = sorted(self.idle & set(range(hour, hour + covered_hours)))
        expires = hour + CALIBRATION_VALID_HOURS
        return max(expires, self.next_hour(shutdown[-1]) + GRACE_HOURS) if shutdown else expires


ALWAYS = Operation()
"""A unit that never stands still, and of which no first hour is known."""


def out_of_control(
    tests: Sequence[CalibrationTest], *, until_us: int, operation: Operation = ALWAYS
) -> tuple[OutOfControl, ...]:
    """Return the out-of-control periods up to `until_us`, in order.

    A failed test begins one, the next passed test ends it (40 CFR 75.24(a)(1) and (c)). Where no
    test follows a passed one while that vouches for the data, one begins by expiry. A monitor that
    was never tested is out of control after its first day. `tests` may come in any order.
    """
    periods: list[OutOfControl] = []
    begun: tuple[int, str] | None = None
    vouched: tuple[int, str] | None = None
    if operation.first_hour is not None:
        first_day = operation.expires_after(
            operation.next_hour(operation.first_hour), covered_hours=_FIRST_DAY_HOURS
        )
        vouched = first_day * HOUR_US, NO_PRIOR_TEST
    for test in sorted(tests, key=lambda item: (item.ts_us, item.passed)):
        if test.ts_us > until_us:
            break
        if begun is None and vouched is not None and test.ts_us > vouched[0]:
            begun = vouched
        if begun is not None and (test.passed or begun[1] != FAILED):
            periods.append(OutOfControl(from_us=begun[0], to_us=test.ts_us, reason=begun[1]))
            begun = None
        if test.passed:
            expires = operation.expires_after(
                test.ts_us // HOUR_US, covered_hours=CALIBRATION_VALID_HOURS
            )
            vouched = expires * HOUR_US, EXPIRED
        elif begun is None:
            begun = (test.ts_us, FAILED)
    if begun is None and vouched is not None and until_us > vouched[0]:
        begun = vouched
    if begun is not None:
        periods.append(OutOfControl(from_us=begun[0], to_us=None, reason=begun[1]))
    return tuple(periods)


def in_grace(
    tests: Sequence[CalibrationTest], *, clock_hour: int, operation: Operation = ALWAYS
) -> bool:
    """Tell whether an hour is in control only because the unit has just started again."""
    before = [test for test in tests if test.ts_us // HOUR_US <= clock_hour]
    last = max(before, key=lambda test: test.ts_us, default=None)
    if last is None or not last.passed:
        return False
    hour = last.ts_us // HOUR_US
    expires = operation.expires_after(hour, covered_hours=CALIBRATION_VALID_HOURS)
    return hour + CALIBRATION_VALID_HOURS <= clock_hour < expires
