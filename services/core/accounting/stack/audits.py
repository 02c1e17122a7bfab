"""Relative accuracy test audits over time: what they say of a monitor's data in each hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.core.accounting.stack.control import OutOfControl
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


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One audit: when its last run ended (microseconds UTC) and what it came to.

    `accuracy` None: its result was stated, not its runs.
    """

    ts_us: int
    passed: bool
    bias_factor: Decimal = Decimal(1)
    accuracy: RelativeAccuracy | None = None


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
    return Audit(ts_us=ts_us, passed=passed, bias_factor=factor, accuracy=accuracy)


def in_force(audits: Sequence[Audit], *, clock_hour: int) -> Audit | None:
    """Return the last passed audit that ended before the clock hour began, None: there is none.

    A bias factor holds from the hour after the audit on, until the next one (40 CFR 75 App. A
    7.6.5; the hour as EPA's checking code takes it).
    """
    past = [audit for audit in audits if audit.passed and audit.ts_us // HOUR_US < clock_hour]
    return max(past, key=lambda audit: audit.ts_us, default=None)


def failed_periods(audits: Sequence[Audit], *, until_us: int) -> tuple[OutOfControl, ...]:
    """Return out-of-control periods up to `until_us`: from a failed audit to the next passed one.

    40 CFR 75.24(a)(3) and (c).
    """
    periods: list[OutOfControl] = []
    begun: int | None = None
    for audit in sorted(audits, key=lambda test: (test.ts_us, test.passed)):
        if audit.ts_us >= until_us:
            break
        if not audit.passed and begun is None:
            begun = audit.ts_us
        elif audit.passed and begun is not None:
            periods.append(OutOfControl(from_us=begun, to_us=audit.ts_us, reason="audit failed"))
            begun = None
    if begun is not None:
        periods.append(OutOfControl(from_us=begun, to_us=None, reason="audit failed"))
    return tuple(periods)
