"""A monitor's audits over time, of relative accuracy and by gases: what they say of each hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.core.accounting.stack.control import OutOfControl
from services.core.accounting.stack.linearity import GasTest, Level, LevelError, level_errors
from services.core.accounting.stack.qa import (
    Monitor,
    RelativeAccuracy,
    Run,
    relative_accuracy,
)
from services.core.accounting.stack.rounding import half_away
from services.core.timeline.instants import HOUR_US

LARGEST_INACCURACY = Decimal("10.0")
"""Percent relative accuracy, at one decimal, that an audit passes with (40 CFR 75 App. A 3.3)."""

LARGEST_DIFFERENCE = {
    Monitor.CO2: Decimal("1.0"),
    Monitor.O2: Decimal("1.0"),
    Monitor.MOISTURE: Decimal("1.5"),
}
"""The other way to pass: mean difference in % CO2, O2 or H2O, at one decimal (ibid.)."""

ANNUAL_INACCURACY = Decimal("7.5")
"""Percent relative accuracy, at one decimal, with which the next audit is due after four quarters,
not two (40 CFR 75 App. B 2.3.1.2)."""

ANNUAL_DIFFERENCE = {
    Monitor.CO2: Decimal("0.7"),
    Monitor.O2: Decimal("0.7"),
    Monitor.MOISTURE: Decimal("1.0"),
}
"""The other way to that: mean difference in % CO2, O2 or H2O, at one decimal (ibid.)."""


RATA = "rata"
"""An audit of relative accuracy, as a facility file names it."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One audit: when its last run ended (microseconds UTC) and what it came to.

    `accuracy` None: its result was stated, not its runs. `gas_test` None: one of relative accuracy;
    else a test by gases, with the errors of its levels where these were stated. `annual`: its
    relative accuracy is good enough for one audit a year.
    """

    ts_us: int
    passed: bool
    bias_factor: Decimal = Decimal(1)
    accuracy: RelativeAccuracy | None = None
    gas_test: GasTest | None = None
    annual: bool = False
    levels: tuple[LevelError, ...] = ()

    @property
    def kind(self) -> str:
        """What a facility file calls this kind of audit."""
        return RATA if self.gas_test is None else str(self.gas_test)


def of_runs(monitor: Monitor, *, ts_us: int, runs: Sequence[Run]) -> Audit:
    """Evaluate an audit by its runs, in % for CO2, O2 and moisture.

    It passes with a relative accuracy of at most 10.0 %, or else by its mean difference (the order
    of EPA's checking code). A failed one gives no bias factor. ValueError as `relative_accuracy`.
    """
    accuracy = relative_accuracy(monitor, runs)
    passed = half_away(accuracy.relative_accuracy_percent, 1) <= LARGEST_INACCURACY
    if not passed and monitor in LARGEST_DIFFERENCE:
        passed = half_away(abs(accuracy.mean_difference), 1) <= LARGEST_DIFFERENCE[monitor]
    factor = accuracy.bias_factor if passed else Decimal(1)
    annual = passed and is_annual(accuracy.relative_accuracy_percent)
    if passed and monitor in ANNUAL_DIFFERENCE:
        annual |= half_away(abs(accuracy.mean_difference), 1) <= ANNUAL_DIFFERENCE[monitor]
    return Audit(ts_us=ts_us, passed=passed, bias_factor=factor, accuracy=accuracy, annual=annual)


def is_annual(relative_accuracy_percent: Decimal) -> bool:
    """Tell whether an audit of this relative accuracy is followed by the next after a year."""
    return half_away(relative_accuracy_percent, 1) <= ANNUAL_INACCURACY


def of_levels(test: GasTest, *, ts_us: int, levels: Sequence[Level], unit: str) -> Audit:
    """Evaluate a linearity check or a cylinder gas audit. ValueError as `level_errors`."""
    errors = level_errors(test, levels, unit=unit)
    return Audit(
        ts_us=ts_us, passed=all(level.passed for level in errors), gas_test=test, levels=errors
    )


def in_force(audits: Sequence[Audit], *, clock_hour: int) -> Audit | None:
    """Return the last passed audit of relative accuracy that ended before the clock hour began.

    None: there is none.

    A bias factor holds from the hour after the audit on, until the next one (40 CFR 75 App. A
    7.6.5; the hour as EPA's checking code takes it).
    """
    past = [
        audit
        for audit in audits
        if audit.passed and audit.gas_test is None and audit.ts_us // HOUR_US < clock_hour
    ]
    return max(past, key=lambda audit: audit.ts_us, default=None)


def failed_periods(audits: Sequence[Audit], *, until_us: int) -> tuple[OutOfControl, ...]:
    """Return out-of-control periods up to `until_us`, of each kind of audit.

    From a failed audit to the next passed one of its kind (40 CFR 75.24(a)(2), (3) and (c)).
    """
    periods: list[OutOfControl] = []
    begun: dict[str, int] = {}
    for audit in sorted(audits, key=lambda test: (test.ts_us, test.passed)):
        if audit.ts_us >= until_us:
            break
        if not audit.passed:
            begun.setdefault(audit.kind, audit.ts_us)
        elif audit.kind in begun:
            from_us = begun.pop(audit.kind)
            periods.append(
                OutOfControl(from_us=from_us, to_us=audit.ts_us, reason=_FAILED[audit.kind])
            )
    periods += [
        OutOfControl(from_us=from_us, to_us=None, reason=_FAILED[kind])
        for kind, from_us in begun.items()
    ]
    return tuple(periods)


_FAILED = {
    RATA: "audit failed",
    GasTest.LINEARITY: "linearity check failed",
    GasTest.CYLINDER_GAS_AUDIT: "cylinder gas audit failed",
}
