"""Daily calibrations, out-of-control periods and accuracy audits."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from services.core.accounting.stack.control import Operation, OutOfControl, in_grace, out_of_control
from services.core.accounting.stack.qa import (
    CalibrationSetup,
    CalibrationTest,
    Monitor,
    Run,
    calibration_error,
    relative_accuracy,
    t_value,
)

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
CEM = ["12.4", "12.6", "12.5", "12.3", "12.7", "12.5", "12.4", "12.6", "12.5"]
REFERENCE = ["12.6", "12.7", "12.5", "12.6", "12.9", "12.6", "12.7", "12.7", "12.6"]
RUNS = [
    Run(reference=Decimal(reference), monitor=Decimal(monitor))
    for reference, monitor in zip(REFERENCE, CEM, strict=True)
]


@pytest.mark.vector
def test_a_relative_accuracy_audit() -> None:
    audit = relative_accuracy(Monitor.CO2, RUNS)
    assert round(audit.mean_difference, 6) == Decimal("0.155556")
    assert round(audit.standard_deviation, 7) == Decimal("0.1013794")
    assert round(audit.confidence_coefficient, 7) == Decimal("0.0779269")
    assert audit.relative_accuracy_percent == Decimal("1.84")
    assert audit.bias_factor == 1


@pytest.mark.vector
def test_a_flow_monitor_biased_low_carries_a_factor_and_gases_do_not() -> None:
    # 1 + 0.155556 / 12.5 = 1.0124...
    assert relative_accuracy(Monitor.FLOW, RUNS).bias_factor == Decimal("1.012")
    for monitor in (Monitor.CO2, Monitor.O2, Monitor.MOISTURE):
        assert relative_accuracy(monitor, RUNS).bias_factor == 1


def test_a_monitor_biased_high_carries_no_factor() -> None:
    swapped = [Run(reference=run.monitor, monitor=run.reference) for run in RUNS]
    assert relative_accuracy(Monitor.FLOW, swapped).bias_factor == 1


def test_a_perfect_monitor_has_no_error() -> None:
    perfect = [Run(reference=run.reference, monitor=run.reference) for run in RUNS]
    audit = relative_accuracy(Monitor.FLOW, perfect)
    assert audit.relative_accuracy_percent == 0
    assert audit.bias_factor == 1


def test_a_hopeless_monitor_is_capped() -> None:
    far = [Run(reference=Decimal("0.1"), monitor=Decimal(100)) for _ in range(9)]
    assert relative_accuracy(Monitor.CO2, far).relative_accuracy_percent == Decimal("999.99")


def test_an_audit_needs_nine_runs_and_a_value() -> None:
    with pytest.raises(ValueError, match="at least 9 runs, not 8"):
        relative_accuracy(Monitor.CO2, RUNS[:8])
    with pytest.raises(ValueError, match="average zero"):
        relative_accuracy(Monitor.CO2, [Run(reference=Decimal(0), monitor=Decimal(0))] * 9)


def upper_tail(t: float, freedom: int) -> float:
    """Student's upper tail by Simpson's rule on its density; no table involved."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    steps = 2000
    width = t / steps

    def density(x: float) -> float:
        return scale * math.pow(1 + x * x / freedom, -(freedom + 1) / 2)

    inner = sum((4 if step % 2 else 2) * density(step * width) for step in range(1, steps))
    return 0.5 - (density(0) + inner + density(t)) * width / 3


@pytest.mark.parametrize("runs", range(2, 32))
def test_the_t_table_against_the_density(runs: int) -> None:
    tabled = float(t_value(runs))
    assert upper_tail(tabled - 0.0006, runs - 1) > 0.025 > upper_tail(tabled + 0.0006, runs - 1)


def test_above_31_runs_t_is_one() -> None:
    assert t_value(32) == 1


@pytest.mark.vector
@pytest.mark.parametrize(
    ("monitor", "reference", "response", "span", "error", "passed"),
    [
        (Monitor.CO2, "0.0", "1.04", None, "1.0", True),
        (Monitor.CO2, "0.0", "1.05", None, "1.1", False),
        (Monitor.O2, "20.9", "19.9", None, "1.0", True),
        (Monitor.O2, "20.9", "19.8", None, "1.1", False),
        (Monitor.FLOW, "60", "54.0", "100", "6.0", True),
        (Monitor.FLOW, "60", "53.9", "100", "6.1", False),
    ],
)
def test_calibration_errors(
    monitor: Monitor, reference: str, response: str, span: str | None, error: str, passed: bool
) -> None:
    result = calibration_error(
        monitor,
        reference=Decimal(reference),
        response=Decimal(response),
        span=None if span is None else Decimal(span),
    )
    assert (result.error, result.passed) == (Decimal(error), passed)


def test_a_flow_calibration_needs_a_span_and_moisture_has_none() -> None:
    with pytest.raises(ValueError, match="span"):
        calibration_error(Monitor.FLOW, reference=Decimal(1), response=Decimal(1))
    with pytest.raises(ValueError, match="no daily calibration"):
        calibration_error(Monitor.MOISTURE, reference=Decimal(1), response=Decimal(1))


def at(hour: int, *, passed: bool) -> CalibrationTest:
    return CalibrationTest(ts_us=hour * HOUR_US, passed=passed)


def test_a_failed_calibration_puts_the_monitor_out_of_control_until_one_passes() -> None:
    tests = [at(0, passed=True), at(24, passed=False), at(27, passed=True)]
    expected = OutOfControl(from_us=24 * HOUR_US, to_us=27 * HOUR_US, reason="failed")
    assert out_of_control(tests, until_us=30 * HOUR_US) == (expected,)
    assert out_of_control(list(reversed(tests)), until_us=30 * HOUR_US) == (expected,)


def test_a_failure_that_was_not_mended_goes_on() -> None:
    tests = [at(0, passed=True), at(24, passed=False), at(25, passed=False)]
    assert out_of_control(tests, until_us=40 * HOUR_US) == (
        OutOfControl(from_us=24 * HOUR_US, to_us=None, reason="failed"),
    )


def test_a_calibration_vouches_for_26_clock_hours() -> None:
    # EPA's code: fewer than 26 hours between the clock hour of the test and that of the data
    (expired,) = out_of_control(
        [CalibrationTest(ts_us=6 * HOUR_US + 50 * MINUTE_US, passed=True)], until_us=40 * HOUR_US
    )
    assert expired.from_us == 32 * HOUR_US
    passed = [at(0, passed=True)]
    assert out_of_control(passed, until_us=26 * HOUR_US) == ()
    expired = OutOfControl(from_us=26 * HOUR_US, to_us=None, reason="expired")
    assert out_of_control(passed, until_us=26 * HOUR_US + 1) == (expired,)
    late = [at(0, passed=True), at(30, passed=True)]
    assert out_of_control(late, until_us=31 * HOUR_US) == (
        OutOfControl(from_us=26 * HOUR_US, to_us=30 * HOUR_US, reason="expired"),
    )


def test_a_failure_after_expiry_begins_its_own_period() -> None:
    tests = [at(0, passed=True), at(30, passed=False), at(31, passed=True)]
    assert out_of_control(tests, until_us=32 * HOUR_US) == (
        OutOfControl(from_us=26 * HOUR_US, to_us=30 * HOUR_US, reason="expired"),
        OutOfControl(from_us=30 * HOUR_US, to_us=31 * HOUR_US, reason="failed"),
    )


def test_before_the_first_test_nothing_is_said() -> None:
    assert out_of_control([], until_us=100 * HOUR_US) == ()
    assert out_of_control([at(50, passed=False)], until_us=40 * HOUR_US) == ()


def test_a_monitor_never_calibrated_is_out_of_control_after_its_first_day() -> None:
    # EPA's code: undetermined while fewer than 25 hours lie between the first hour and this one
    never = Operation(first_hour=10)
    expected = OutOfControl(from_us=36 * HOUR_US, to_us=None, reason="no prior test")
    assert out_of_control([], until_us=36 * HOUR_US, operation=never) == ()
    assert out_of_control([], until_us=37 * HOUR_US, operation=never) == (expected,)
    tests = [at(40, passed=True)]
    (period,) = out_of_control(tests, until_us=50 * HOUR_US, operation=never)
    assert (period.to_us, period.reason) == (40 * HOUR_US, "no prior test")
    # it stands still in its first day: 8 hours from when it starts again
    stood = Operation(first_hour=10, idle=frozenset(range(30, 60)))
    (period,) = out_of_control([], until_us=99 * HOUR_US, operation=stood)
    assert period.from_us == 68 * HOUR_US


@pytest.mark.vector
def test_a_shutdown_within_the_26_hours_gives_8_hours_of_grace() -> None:
    # C12: calibrated in hour 0, idle from 1 to 30, started again in hour 31
    shutdown = Operation(idle=frozenset(range(1, 31)))
    tests = [at(0, passed=True)]
    assert out_of_control(tests, until_us=39 * HOUR_US, operation=shutdown) == ()
    (period,) = out_of_control(tests, until_us=45 * HOUR_US, operation=shutdown)
    assert (period.from_us, period.reason) == (39 * HOUR_US, "expired")
    grace = [h for h in range(50) if in_grace(tests, clock_hour=h, operation=shutdown)]
    assert grace == list(range(26, 39))
    # while it stands still nothing expires
    still = Operation(idle=frozenset(range(1, 500)))
    assert out_of_control(tests, until_us=400 * HOUR_US, operation=still) == ()


def test_a_shutdown_after_the_26_hours_gives_no_grace() -> None:
    tests = [at(0, passed=True)]
    late = Operation(idle=frozenset(range(26, 60)))
    (period,) = out_of_control(tests, until_us=70 * HOUR_US, operation=late)
    assert period.from_us == 26 * HOUR_US
    # a short stop early in the 26 hours takes nothing away from them
    short = Operation(idle=frozenset({3}))
    (period,) = out_of_control(tests, until_us=70 * HOUR_US, operation=short)
    assert period.from_us == 26 * HOUR_US


def setup(**more: Any) -> CalibrationSetup:
    return CalibrationSetup(
        **{"monitor": Monitor.CO2, "references": (Decimal(0), Decimal(18)), **more}
    )


def test_calibration_readings_close_together_are_one_test() -> None:
    ts_us = [minute * MINUTE_US for minute in (0, 1, 2, 3, 40, 41)]
    responses = [Decimal(text) for text in ("5", "0.1", "17", "18.3", "0", "19.5")]
    first, second = setup().tests(ts_us, responses)
    # the readings while the monitor still settles are passed over
    assert (first.ts_us, first.passed) == (3 * MINUTE_US, True)
    assert first.detail == (
        "reference 0, response 0.1, error 0.1 (at most 1.0); "
        "reference 18, response 18.3, error 0.3 (at most 1.0)"
    )
    assert (second.ts_us, second.passed) == (41 * MINUTE_US, False)


def test_no_calibration_readings_are_no_test() -> None:
    assert setup().tests([], []) == []


def test_a_flow_monitor_is_tested_in_percent_of_its_span() -> None:
    flow = setup(monitor=Monitor.FLOW, references=(Decimal(0), Decimal(800)), span=Decimal(1000))
    (test,) = flow.tests([0, MINUTE_US], [Decimal(10), Decimal(870)])
    assert not test.passed
    assert test.detail.endswith("error 7.0 (at most 6.0)")
