"""What a monitor's past says: its look-back values and its percent availability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.core.accounting.stack.rounding import half_away

THREE_YEARS_H = 26_280
"""Clock hours that look-back and availability reach back at most (40 CFR 75.32(a)(3), 75.33(a))."""

AVAILABILITY_WINDOW_H = 8_760
"""Unit operating hours over which availability is taken (40 CFR 75.32(a)(2))."""

MEASURED_CODES = frozenset({"01", "02", "03", "04", "17", "20", "21", "53", "54"})
"""Method codes of measured values: they enter a look-back.

The measured codes of EPA's checking code; Table 4a of 40 CFR 75.57 says so itself of 53 and 54,
and that 55 does not enter.
"""

UNAVAILABLE_CODES = frozenset({"54"})
"""Measured codes that do not count as available hours (40 CFR 75.57, Table 4a)."""


@dataclass(frozen=True, kw_only=True)
class UnitHour:
    """One unit operating hour of a monitored parameter: its value and method code.

    `clock_hour` counts hours since the epoch. Hours without operation have no record.
    """

    clock_hour: int
    value: Decimal | None
    code: str


def look_back(past: Sequence[UnitHour], *, at_clock_hour: int, hours: int) -> tuple[Decimal, ...]:
    """Return the values of the last `hours` measured hours before `at_clock_hour`, oldest first.

    `past` is in order of time. Substituted hours never enter; nothing older than three years
    does.
    """
    kept: list[Decimal] = []
    for hour in reversed(past):
        if hour.clock_hour >= at_clock_hour:
            continue
        if hour.clock_hour < at_clock_hour - THREE_YEARS_H or len(kept) == hours:
            break
        if hour.code in MEASURED_CODES and hour.value is not None:
            kept.append(hour.value)
    return tuple(reversed(kept))


def percent_availability(past: Sequence[UnitHour], *, at_clock_hour: int) -> Decimal | None:
    """Return the percent monitor data availability at an hour, 1 decimal; None before any hour.

    Quality-assured hours among the last 8,760 unit operating hours up to and with
    `at_clock_hour`, none older than three years (40 CFR 75.32, eq. 8 and 9: with fewer operating
    hours than 8,760, all there are). `past` is in order of time.
    """
    window = [
        hour
        for hour in past[-AVAILABILITY_WINDOW_H:]
        if at_clock_hour - THREE_YEARS_H <= hour.clock_hour <= at_clock_hour
    ]
    if not window:
        return None
    available = sum(
        hour.code in MEASURED_CODES and hour.code not in UNAVAILABLE_CODES for hour in window
    )
    return availability(quality_assured_hours=available, operating_hours=len(window))


def availability(*, quality_assured_hours: int, operating_hours: int) -> Decimal:
    """Return 100 x quality-assured / operating hours, recorded to the nearest tenth of a percent.

    40 CFR 75.32 and 75.57(e)(1)(vii). ValueError without operating hours.
    """
    if operating_hours <= 0 or not 0 <= quality_assured_hours <= operating_hours:
        raise ValueError(
            f"availability needs 0 to {operating_hours} quality-assured hours of at least one "
            f"operating hour, not {quality_assured_hours}"
        )
    return half_away(Decimal(100 * quality_assured_hours) / operating_hours, 1)
