"""Hours to quarters and years: F-12 and F-13 of 40 CFR 75 App. F.

What is added is the hour's rounded rate times its operating time, unrounded; a quarter is rounded
once. One hour that cannot be computed makes its quarter not computable: nothing is clipped or
counted as zero (the way EPA's checking code accumulates).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext

from services.core.accounting.stack.rounding import ARITHMETIC, half_away


@dataclass(frozen=True, kw_only=True)
class HourRate:
    """One hour's reported rate (tons or tonnes per hour) and operating time (fraction, 0..1)."""

    rate: Decimal | None
    op_time: Decimal | None
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class PeriodTotal:
    """A period's mass in the rate's mass unit; without a value where it is not computable."""

    value: Decimal | None
    unrounded: Decimal | None
    reason: str | None = None


def period_total(hours: Iterable[HourRate], *, places: int = 1) -> PeriodTotal:
    """Return a quarter's mass (F-12): the sum of rate x operating time, rounded once.

    Under rules that know no quarters, a year's.

    Not computable, with the reason, when an operating hour has no rate or any hour has no
    operating time within 0 to 1. No hours at all are a mass of zero.
    """
    total = Decimal(0)
    with localcontext(ARITHMETIC):
        for number, hour in enumerate(hours):
            name = hour.name or str(number)
            if hour.op_time is None or not Decimal(0) <= hour.op_time <= Decimal(1):
                return _not_computable(
                    f"hour {name} has the operating time {hour.op_time}, not one within 0 to 1"
                )
            if hour.op_time == 0:
                continue
            if hour.rate is None or not hour.rate.is_finite():
                return _not_computable(f"hour {name} operated and has no rate")
            total += hour.rate * hour.op_time
    return PeriodTotal(value=half_away(total, places), unrounded=total)


def year_total(quarters: Iterable[PeriodTotal]) -> PeriodTotal:
    """Return a year's mass (F-13): the sum of the quarters as reported."""
    total = Decimal(0)
    for number, quarter in enumerate(quarters, start=1):
        if quarter.value is None:
            return _not_computable(f"quarter {number} is not computable: {quarter.reason}")
        total += quarter.value
    return PeriodTotal(value=total, unrounded=total)


def operating_time(operating_s: float, *, increment: Decimal = Decimal("0.25")) -> Decimal:
    """Return the operating time of an hour as a fraction, rounded up to `increment`.

    40 CFR 75.57(b)(2): rounded up, in equal increments of one hundredth to one quarter of an
    hour. Raises ValueError outside 0 to 3600 s and for another increment.
    """
    if not 0 <= operating_s <= 3600:
        raise ValueError(f"an hour has 0 to 3600 operating seconds, not {operating_s}")
    if not Decimal("0.01") <= increment <= Decimal("0.25"):
        raise ValueError(f"operating time is kept in steps of 0.01 to 0.25 hours, not {increment}")
    steps = Decimal(str(operating_s)) / (3600 * increment)
    return min(steps.to_integral_value(rounding=ROUND_CEILING) * increment, Decimal(1))


def _not_computable(reason: str) -> PeriodTotal:
    return PeriodTotal(value=None, unrounded=None, reason=reason)
