"""What relative accuracy test audits say of the hours around them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.core.accounting.stack.audits import Audit, failed_periods, in_force, of_runs
from services.core.accounting.stack.control import OutOfControl
from services.core.accounting.stack.qa import Monitor, Run

HOUR_US = 3_600_000_000


def runs(*differences: str, monitor: str = "10.0") -> list[Run]:
    """Nine runs whose monitor reads `monitor`; the reference is off by the differences in turn."""
    reading = Decimal(monitor)
    return [
        Run(reference=reading + Decimal(differences[i % len(differences)]), monitor=reading)
        for i in range(9)
    ]


def audit(hour: int, *, passed: bool = True, factor: str = "1") -> Audit:
    return Audit(ts_us=hour * HOUR_US + 1, passed=passed, bias_factor=Decimal(factor))


@pytest.mark.vector
@pytest.mark.parametrize(
    ("monitor", "difference", "passed"),
    [
        # relative accuracy 1.0 / 10.0 = 10 %, then over it with a difference of 1.0 and of 1.1
        (Monitor.CO2, ("-1.0", "11.0"), True),
        (Monitor.CO2, ("-1.0", "9.0"), True),
        (Monitor.CO2, ("-1.1", "9.0"), False),
        (Monitor.O2, ("1.04", "5.0"), True),
        (Monitor.MOISTURE, ("-1.5", "9.0"), True),
        (Monitor.MOISTURE, ("-1.6", "9.0"), False),
        (Monitor.FLOW, ("-0.9", "10.0"), True),
        (Monitor.FLOW, ("-1.0", "10.0"), False),
    ],
)
def test_an_audit_passes_by_its_accuracy_or_by_its_mean_difference(
    monitor: Monitor, difference: tuple[str, str], passed: bool
) -> None:
    found = of_runs(monitor, ts_us=0, runs=runs(difference[0], monitor=difference[1]))
    assert found.passed == passed, found.accuracy


@pytest.mark.vector
def test_a_flow_that_reads_low_gets_a_factor_and_no_failed_audit_gives_one() -> None:
    low = of_runs(Monitor.FLOW, ts_us=0, runs=runs("500000", monitor="10000000"))
    assert (low.passed, low.bias_factor) == (True, Decimal("1.050"))
    failed = of_runs(Monitor.FLOW, ts_us=0, runs=runs("2000000", monitor="10000000"))
    assert (failed.passed, failed.bias_factor) == (False, Decimal(1))
    assert of_runs(Monitor.CO2, ts_us=0, runs=runs("0.5", monitor="10.0")).bias_factor == 1


def test_a_factor_holds_from_the_hour_after_its_audit_until_the_next() -> None:
    audits = [audit(20, factor="1.05"), audit(10, factor="1.02"), audit(30, passed=False)]
    assert [in_force(audits, clock_hour=hour) for hour in (10, 11, 20, 21, 40)] == [
        None, audits[1], audits[1], audits[0], audits[0],
    ]  # fmt: skip


def test_data_are_out_of_control_from_a_failed_audit_to_the_next_passed_one() -> None:
    audits = [audit(12, passed=False), audit(10, passed=False), audit(15), audit(20, passed=False)]
    assert failed_periods(audits, until_us=30 * HOUR_US) == (
        OutOfControl(from_us=10 * HOUR_US + 1, to_us=15 * HOUR_US + 1, reason="audit failed"),
        OutOfControl(from_us=20 * HOUR_US + 1, to_us=None, reason="audit failed"),
    )
    assert failed_periods(audits, until_us=10 * HOUR_US) == ()
