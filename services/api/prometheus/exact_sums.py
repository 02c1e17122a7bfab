"""Sums of many ranges of the same numbers, each rounded as if it alone had been added up."""

from __future__ import annotations

import numpy as np

from services.api.prometheus.values import Floats, Integers


class ExactSums:
    """Sums up to each number, as pairs of floats: the difference of two is a range's sum.

    A pair has twice the digits of a float, so that nothing of a small range is lost beside all that
    came before it (T. J. Dekker, A floating-point technique for extending the available precision,
    Numerische Mathematik 18, 1971). All prefixes are made in as many passes as the count has bits.
    """

    def __init__(self, numbers: Floats) -> None:
        is_finite = np.isfinite(numbers)
        self._numbers = numbers
        self._are_finite = bool(is_finite.all())
        high = np.concatenate(([0.0], np.where(is_finite, numbers, 0.0)))
        low = np.zeros(high.size)
        distance = 1
        while distance < high.size:
            total, error = _two_sum(high[distance:], high[:-distance])
            error = error + (low[distance:] + low[:-distance])
            high[distance:], low[distance:] = _two_sum(total, error)
            distance *= 2
        self._high, self._low = high, low

    def between(self, first: Integers, end: Integers) -> Floats:
        """Return the sums of the numbers from ``first`` to before ``end``, of each pair of both."""
        sums = self._high[end] - self._high[first] + (self._low[end] - self._low[first])
        if self._are_finite:
            return sums
        with np.errstate(invalid="ignore"):
            for value in (np.inf, -np.inf, np.nan):
                is_it = np.isnan(self._numbers) if np.isnan(value) else self._numbers == value
                before = np.concatenate(([0], np.cumsum(is_it)))
                sums = sums + np.where(before[end] > before[first], value, 0.0)
        return sums


def _two_sum(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Return the rounded sum, and exactly what rounding dropped (D. E. Knuth, TAOCP 2, 4.2.2)."""
    total = left + right
    shifted = total - left
    return total, (left - (total - shifted)) + (right - shifted)
