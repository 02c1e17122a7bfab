"""Factors by the hour: the values of a series, and what holds for an hour that has none.

A series has one value for an hour of UTC: kg per unit of activity, which counts as CO2 and as CO2e.
What holds for an hour without a value is stated with the factor, in order: the mean of its month,
the mean of its year, a factor that is no series.

The mean of a month is that of the values of the hour's own month once it is over, until then that
of the month before, and the month's own so far where the one before has no value; so is the mean of
a year. A month is over when a value of its last day or of a later one is known. So the totals of a
month that is running do not change with every value that arrives, and follow from the values that
are known, not from the order in which they came. Months and years are those of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Hours = NDArray[np.int64]
Floats = NDArray[np.float64]
Uses = NDArray[np.int8]

#: Fallbacks that are computed from the series itself; any other is the name of a factor.
MONTH: Final = "month"
YEAR: Final = "year"
MEANS: Final = (MONTH, YEAR)

#: What an hour used that had a value of its own.
HOURLY: Final = "hour"

#: Place in :attr:`ResolvedHours.used` of an hour for which nothing holds.
NOTHING: Final = -1

#: A period is over once a value is known of so many hours before its end, or later.
_LAST_DAY: Final = 24

_UNITS: Final = {MONTH: "M", YEAR: "Y"}


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownValues:
    """Values of a series that are known, ascending by hour (since the epoch)."""

    hours: Hours
    #: per unit of the series
    kg: Floats

    def kg_at(self, hours: Hours) -> Floats:
        """Return the value of each of the hours; NaN: there is none."""
        if not self.hours.size:
            return np.full(hours.size, np.nan)
        place = np.minimum(np.searchsorted(self.hours, hours), self.hours.size - 1)
        return np.where(self.hours[place] == hours, self.kg[place], np.nan)

    def with_values(self, hours: Hours, kg: Floats) -> KnownValues:
        """Return what is known once the hours, ascending, have these values; NaN: none any more."""
        old = ~np.isin(self.hours, hours)
        new = np.isfinite(kg)
        joined = np.concatenate((self.hours[old], hours[new]))
        order = np.argsort(joined)
        return KnownValues(hours=joined[order], kg=np.concatenate((self.kg[old], kg[new]))[order])


NO_VALUES: Final = KnownValues(hours=np.zeros(0, dtype=np.int64), kg=np.zeros(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedHours:
    """Hours of a series, ascending, with what holds for each by the values of the series alone."""

    hours: Hours
    #: per unit of the series, by :data:`HOURLY`, :data:`MONTH` and :data:`YEAR`; NaN: unknown
    kg: Mapping[str, Floats] = field(repr=False)

    def kg_at(self, name: str, minutes: Hours) -> Floats:
        """Return what the hour's value or a mean is, in each of the minutes; NaN: unknown.

        :raises LookupError: a minute lies in none of the hours.
        """
        hours = minutes // 60
        place = np.searchsorted(self.hours, hours)
        if minutes.size and (place.max() >= self.hours.size or (self.hours[place] != hours).any()):
            raise LookupError("no values of a series were read for some of the minutes")
        return self.kg[name][place]

    def used(self, order: Sequence[str]) -> Uses:
        """Return the place in ``order`` of what holds for each hour; see :func:`choose`."""
        return choose(order, self.kg, self.hours.size)


def choose(order: Sequence[str], kg: Mapping[str, Floats], size: int) -> Uses:
    """Return the place in ``order`` of the first that has a figure; :data:`NOTHING`: none has.

    What ``kg`` does not name, a factor, has one.
    """
    used = np.full(size, NOTHING, dtype=np.int8)
    for i, name in enumerate(order):
        missing = used == NOTHING
        used[missing if name not in kg else missing & ~np.isnan(kg[name])] = i
    return used


def resolve(known: KnownValues, last: int, hours: Hours) -> ResolvedHours:
    """Return what holds for the hours, ascending, by the values of the series alone.

    ``known``: all values that :func:`reach` names. ``last``: the last hour with a value.
    """
    kg = {HOURLY: known.kg_at(hours), **{name: means(known, last, hours, name) for name in MEANS}}
    return ResolvedHours(hours=hours, kg=kg)


def reach(first: int, end: int, name: str) -> tuple[int, int]:
    """Return from which hour up to which values count for hours from ``first`` to before ``end``.

    That is from the beginning of the month or year before the first to the end of the last one.
    """
    periods = _periods(np.array([first, max(first, end - 1)]), name)
    return _begin(int(periods[0]) - 1, name), _begin(int(periods[1]) + 1, name)


def means(known: KnownValues, last: int, hours: Hours, name: str) -> Floats:
    """Return the mean of a month or year for each of the hours; NaN: there is none."""
    result = np.full(hours.size, np.nan)
    if not known.hours.size or not hours.size:
        return result
    periods, begins = np.unique(_periods(known.hours, name), return_index=True)
    ends = np.append(begins[1:], known.hours.size)
    by_period = {
        number: float(known.kg[begin:end].mean())
        for number, begin, end in zip(periods.tolist(), begins, ends, strict=True)
    }
    of_hour = _periods(hours, name)
    for number in np.unique(of_hour).tolist():
        present, before = by_period.get(number), by_period.get(number - 1)
        is_over = last >= _begin(number + 1, name) - _LAST_DAY
        chosen = present if before is None or (is_over and present is not None) else before
        if chosen is not None:
            result[of_hour == number] = chosen
    return result


def _periods(hours: Hours, name: str) -> Hours:
    numbers: Hours = hours.astype("M8[h]").astype(f"M8[{_UNITS[name]}]").astype(np.int64)
    return numbers


def _begin(period: int, name: str) -> int:
    """Return the first hour of a month or year, by its number since the epoch."""
    begin: int = np.array([period]).astype(f"M8[{_UNITS[name]}]").astype("M8[h]").astype(int)[0]
    return int(begin)
