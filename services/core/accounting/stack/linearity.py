"""Linearity checks and cylinder gas audits: a monitor's answers to gases of known concentration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum

from services.core.accounting.stack.rounding import ARITHMETIC, half_away


class GasTest(StrEnum):
    """A test of a gas monitor with gases of several concentrations."""

    LINEARITY = "linearity"
    CYLINDER_GAS_AUDIT = "cga"


LARGEST_ERROR = {
    GasTest.LINEARITY: Decimal("5.0"),
    GasTest.CYLINDER_GAS_AUDIT: Decimal("15.0"),
}
"""Percent of the reference (40 CFR 75 App. A 3.2; 40 CFR 60 App. F 5.2.3)."""

LEAST_LEVELS = {GasTest.LINEARITY: 3, GasTest.CYLINDER_GAS_AUDIT: 2}
"""Concentrations that a test takes (40 CFR 75 App. A 6.2; 40 CFR 60 App. F 5.1.2)."""

ALTERNATIVE = {"%": (Decimal("0.5"), 1), "ppm": (Decimal(5), 0)}
"""The other way to pass, by unit: largest difference, and the decimals that it is rounded to."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """The mean reference and the mean response of a monitor at one concentration, same unit."""

    reference: Decimal
    response: Decimal


@dataclass(frozen=True, kw_only=True)
class LevelError:
    """The error of one level as it is reported: in percent of the reference, or in the unit.

    `alternative`: it passes by the difference, in the monitor's unit (`PASSAPS`).
    """

    error: Decimal
    alternative: bool
    passed: bool


def level_error(test: GasTest, level: Level, *, unit: str) -> LevelError:
    """Return the error of a level: percent of the reference at 1 decimal, or else the difference.

    The arithmetic of EPA's checking code. ValueError for a reference of zero or another unit than
    % and ppm.
    """
    if level.reference <= 0:
        raise ValueError("a level's reference must be above zero: errors are percent of it")
    if unit not in ALTERNATIVE:
        raise ValueError(f"levels are in % or ppm, not in {unit}")
    with localcontext(ARITHMETIC):
        difference = abs(level.reference - level.response)
        percent = half_away(difference / level.reference * 100, 1)
    if percent <= LARGEST_ERROR[test]:
        return LevelError(error=percent, alternative=False, passed=True)
    largest, places = ALTERNATIVE[unit]
    rounded = half_away(difference, places)
    if rounded <= largest:
        return LevelError(error=rounded, alternative=True, passed=True)
    return LevelError(error=percent, alternative=False, passed=False)


def level_errors(test: GasTest, levels: Sequence[Level], *, unit: str) -> tuple[LevelError, ...]:
    """Return the errors of a test's levels; it passes when each does. ValueError: too few."""
    if len(levels) < LEAST_LEVELS[test]:
        raise ValueError(f"a {test} test takes at least {LEAST_LEVELS[test]} levels")
    return tuple(level_error(test, level, unit=unit) for level in levels)
