"""Functions of the samples of a range: rates, and what is ``_over_time``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.api.prometheus.exact_sums import ExactSums
from services.api.prometheus.values import Booleans, Floats, Integers

#: A range ends no further from its first or last sample than so many times their mean distance,
#: else it is taken to have begun, or ended, half of that distance from it.
_NEAR: Final = 1.1


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The samples of a series in the range before each step; only steps with any are here."""

    times_ms: Integers
    values: Floats
    #: by step, index of the first sample, and of the first that is no more in it
    first: Integers
    end: Integers
    #: by step, when the range ends
    ends_ms: Integers
    range_ms: int

    @property
    def count(self) -> Integers:
        """Return the number of samples of each step."""
        return self.end - self.first


#: A function's values by step, and where it has one.
Outcome = tuple[Floats, Booleans]


def _extrapolated(windows: Windows, *, is_counter: bool, is_rate: bool) -> Outcome:
    """Return the increase over the whole range, of which samples cover a part.

    As Prometheus' ``extrapolatedRate``: what samples tell is taken to go on to the ends of the
    range if they are near, but a counter began at no less than zero.
    """
    with np.errstate(all="ignore"):
        first, last = windows.first, windows.end - 1
        increase = windows.values[last] - windows.values[first]
        if is_counter:
            increase = increase + _resets(windows)
        sampled_s = (windows.times_ms[last] - windows.times_ms[first]) / 1000
        before_s = (windows.times_ms[first] - (windows.ends_ms - windows.range_ms)) / 1000
        after_s = (windows.ends_ms - windows.times_ms[last]) / 1000
        mean_s = sampled_s / (windows.count - 1)
        if is_counter:
            since_zero_s = sampled_s * (windows.values[first] / increase)
            is_rising = (increase > 0) & (windows.values[first] >= 0)
            before_s = np.where(is_rising & (since_zero_s < before_s), since_zero_s, before_s)
        near_s = mean_s * _NEAR
        whole_s = sampled_s + np.where(before_s < near_s, before_s, mean_s / 2)
        whole_s = whole_s + np.where(after_s < near_s, after_s, mean_s / 2)
        factor = whole_s / sampled_s
        if is_rate:
            factor = factor / (windows.range_ms / 1000)
        return increase * factor, windows.count > 1


def _resets(windows: Windows) -> Floats:
    """Return what a counter had reached each time before it began anew, by step."""
    fell = np.flatnonzero(windows.values[1:] < windows.values[:-1])
    # a fall from a sample to the next is in a range if both are
    begin = np.searchsorted(fell, windows.first)
    end = np.searchsorted(fell, windows.end - 1)
    return ExactSums(windows.values[fell]).between(begin, end)


def _rate(windows: Windows) -> Outcome:
    return _extrapolated(windows, is_counter=True, is_rate=True)


def _increase(windows: Windows) -> Outcome:
    return _extrapolated(windows, is_counter=True, is_rate=False)


def _delta(windows: Windows) -> Outcome:
    return _extrapolated(windows, is_counter=False, is_rate=False)


def _all(windows: Windows, values: Floats) -> Outcome:
    return values, np.ones(windows.first.size, dtype=np.bool_)


def _sum(windows: Windows) -> Outcome:
    return _all(windows, ExactSums(windows.values).between(windows.first, windows.end))


def _mean(windows: Windows) -> Outcome:
    sums, present = _sum(windows)
    return sums / windows.count, present


def _extreme(windows: Windows, choose: np.ufunc) -> Outcome:
    # any range is two of a power of two that overlap: as many passes as the longest has bits,
    # where looking through each of thousands of overlapping ranges would take minutes
    values = np.zeros(windows.first.size)
    chosen, length, count = windows.values, 1, windows.count
    while chosen.size:
        its = np.flatnonzero((count >= length) & (count < 2 * length))
        values[its] = choose(chosen[windows.first[its]], chosen[windows.end[its] - length])
        chosen = choose(chosen[:-length], chosen[length:]) if chosen.size > length else chosen[:0]
        length *= 2
    return _all(windows, values)


def _smallest(windows: Windows) -> Outcome:
    return _extreme(windows, np.fmin)


def _largest(windows: Windows) -> Outcome:
    return _extreme(windows, np.fmax)


def _count(windows: Windows) -> Outcome:
    return _all(windows, windows.count.astype(np.float64))


def _last(windows: Windows) -> Outcome:
    return _all(windows, windows.values[windows.end - 1])


def _present(windows: Windows) -> Outcome:
    return _all(windows, np.ones(windows.first.size))


RANGE_FUNCTIONS: Final[Mapping[str, Callable[[Windows], Outcome]]] = {
    "rate": _rate,
    "increase": _increase,
    "delta": _delta,
    "avg_over_time": _mean,
    "min_over_time": _smallest,
    "max_over_time": _largest,
    "sum_over_time": _sum,
    "count_over_time": _count,
    "last_over_time": _last,
    "present_over_time": _present,
}
#: Its values are those of the series, so that it keeps the name.
KEEPS_NAME: Final = "last_over_time"
