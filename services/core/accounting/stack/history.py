"""What a monitor's past says: its look-back values, its gaps and its percent availability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from services.core.accounting.stack.diluents import CAPPED
from services.core.accounting.stack.load_ranges import LOAD_RANGES
from services.core.accounting.stack.rounding import half_away
from services.core.accounting.stack.scales import AS_READ

THREE_YEARS_H = 26_280
"""Clock hours that look-back and availability reach back at most (40 CFR 75.32(a)(3), 75.33(a))."""

AVAILABILITY_WINDOW_H = 8_760
"""Unit operating hours over which availability is taken (40 CFR 75.32(a)(2))."""

MEASURED_CODES = frozenset({"01", "02", "03", "04", CAPPED, "17", "20", "21", "53", "54", AS_READ})
"""Method codes of measured values: they enter a look-back.

The measured codes of EPA's checking code, 200 % of the range (20) and zero for a negative value
(21) among them; Table 4a of 40 CFR 75.57 says so itself of 53 and 54, and that 55 does not enter.
An hour with the diluent cap (14) has a code of these there, and a mark that the cap was taken.
"""

UNAVAILABLE_CODES = frozenset({"54"})
"""Measured codes that do not count as available hours (40 CFR 75.57, Table 4a)."""


@dataclass(frozen=True, kw_only=True)
class UnitHour:
    """One unit operating hour of a monitored parameter: its value and method code.

    `clock_hour` counts hours since the epoch. Hours without operation have no record.
    `load_range`: None where there is one range only.
    """

    clock_hour: int
    value: Decimal | None
    code: str
    load_range: int | None = None


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A missing period in unit operating hours, with the measured values on its two sides.

    `after` None: no measured hour has followed yet.
    """

    hours: int
    before: Decimal | None
    after: Decimal | None


class History:
    """The operating hours of one parameter, in order of time; questions cost about log n."""

    def __init__(self, past: Sequence[UnitHour]) -> None:
        """`past` ascends by clock hour."""
        self._values = [hour.value for hour in past]
        self._clock = np.array([hour.clock_hour for hour in past], dtype=np.int64)
        measured = [hour.code in MEASURED_CODES and hour.value is not None for hour in past]
        self._measured = np.flatnonzero(np.array(measured, dtype=bool))
        self._measured_clock = self._clock[self._measured]
        self._ranges = np.array([hour.load_range or 0 for hour in past], dtype=np.int8)
        available = [
            hour.code in MEASURED_CODES and hour.code not in UNAVAILABLE_CODES for hour in past
        ]
        self._available = np.concatenate(([0], np.cumsum(available, dtype=np.int64)))

    def look_back(self, *, at_clock_hour: int, hours: int) -> tuple[Decimal, ...]:
        """Return values of the last `hours` measured hours before `at_clock_hour`, oldest first.

        Substituted hours never enter; nothing older than three years does.
        """
        end = self._measured_before(at_clock_hour)
        start = max(self._measured_before(at_clock_hour - THREE_YEARS_H), end - hours)
        return self._measured_values(start, end)

    def look_back_from_range(
        self, load_range: int, *, at_clock_hour: int, hours: int
    ) -> tuple[int, tuple[Decimal, ...]]:
        """As `look_back`, of the hours in a load range alone, and the range that they are of.

        Where it has none, those of the next higher range that has, and nothing where none has (40
        CFR 75.31(c), 75.33(c)(5)).
        """
        end = self._measured_before(at_clock_hour)
        start = self._measured_before(at_clock_hour - THREE_YEARS_H)
        of_hours = self._ranges[self._measured[start:end]]
        for higher_range in range(load_range, LOAD_RANGES + 1):
            indexes = self._measured[start:end][of_hours == higher_range][-hours:]
            if indexes.size:
                values = (self._values[index] for index in indexes.tolist())
                return higher_range, tuple(value for value in values if value is not None)
        return load_range, ()

    def measured_between(self, first: int, end: int) -> tuple[Decimal, ...]:
        """Return the values of the measured hours from clock hour `first` to before `end`."""
        return self._measured_values(self._measured_before(first), self._measured_before(end))

    def quality_assured_hours(self, *, at_clock_hour: int) -> int:
        """How many measured hours lie before `at_clock_hour`."""
        return self._measured_before(at_clock_hour)

    def clock_hours(self, *, at_clock_hour: int) -> int:
        """Clock hours since the first record."""
        return max(0, at_clock_hour - int(self._clock[0])) if self._clock.size else 0

    def gap(self, *, at_clock_hour: int) -> Gap:
        """Return the missing period around an hour that was not measured."""
        next_measured = self._measured_before(at_clock_hour)
        last = int(self._measured[next_measured - 1]) if next_measured else -1
        is_open = next_measured == self._measured.size
        end = len(self._values) if is_open else int(self._measured[next_measured])
        return Gap(
            hours=end - last - 1,
            before=self._values[last] if next_measured else None,
            after=None if is_open else self._values[end],
        )

    def percent_availability(self, *, at_clock_hour: int) -> Decimal | None:
        """Compute percent monitor data availability at an hour, 1 decimal; None before any hour.

        Quality-assured hours among the last 8,760 unit operating hours up to and with
        `at_clock_hour`, none older than three years (40 CFR 75.32, eq. 8 and 9: with fewer
        operating hours than 8,760, all there are).
        """
        end = int(np.searchsorted(self._clock, at_clock_hour, side="right"))
        oldest = int(np.searchsorted(self._clock, at_clock_hour - THREE_YEARS_H))
        start = max(oldest, end - AVAILABILITY_WINDOW_H)
        if end <= start:
            return None
        return availability(
            quality_assured_hours=int(self._available[end] - self._available[start]),
            operating_hours=end - start,
        )

    def _measured_before(self, clock_hour: int) -> int:
        return int(np.searchsorted(self._measured_clock, clock_hour))

    def _measured_values(self, start: int, end: int) -> tuple[Decimal, ...]:
        values = (self._values[index] for index in self._measured[start:end].tolist())
        return tuple(value for value in values if value is not None)


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
