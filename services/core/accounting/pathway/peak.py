"""Whether emissions have peaked: sums of 365 days, the highest so far, and the newest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

#: Days of a sum.
DAYS: Final = 365

#: So much of the time of a sum is known at least, or the sum is not told.
LEAST_COVERAGE: Final = 0.9

Verdict = Literal["peaked", "below", "unclear", "highest", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The highest sum of 365 days so far, and the newest. kg; a day is an index, its last one."""

    highest_kg: float
    highest_day: int
    newest_kg: float
    newest_day: int
    #: half the 95 % interval of what the newest lies below the highest; None: it is not stated
    half_kg: float | None

    @property
    def below_kg(self) -> float:
        """How far the newest sum lies below the highest."""
        return self.highest_kg - self.newest_kg

    @property
    def verdict(self) -> Verdict:
        """Whether that is a peak.

        ``highest``: the newest sum is the highest. ``unknown``: uncertainties are not stated.
        ``unclear``: the difference is within its band. ``below``: it is beyond it, and both sums
        have days in common. ``peaked``: it is beyond it, and they have none.
        """
        if self.highest_day == self.newest_day:
            return "highest"
        if self.half_kg is None:
            return "unknown"
        if self.below_kg <= self.half_kg:
            return "unclear"
        return "peaked" if self.newest_day - self.highest_day >= DAYS else "below"


def rolling(of_day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the 365 days that end with each day; NaN before there are so many.

    To the gram, so that equal sums are equal in whatever order they were added up.
    """
    sums = np.full(of_day.size, np.nan)
    if of_day.size >= DAYS:
        sums[DAYS - 1 :] = np.round(np.convolve(of_day, np.ones(DAYS), mode="valid"), 3)
    return sums


def peak(
    kg: NDArray[np.float64],
    coverage: NDArray[np.float64],
    half_kg: Callable[[int], float | None],
) -> Peak | None:
    """Find the highest and the newest sum; None: fewer than 365 days are known well enough.

    ``kg``: of the 365 days that end with each day. ``coverage``: how much of their time is known.
    ``half_kg``: half the 95 % interval of the sum that ends with a day. Both sums share meters and
    factors, which are wrong alike in both; they are taken as independent, which makes the band of
    their difference wider: a peak is told too late rather than too early.
    """
    usable = np.flatnonzero(~np.isnan(kg) & (coverage >= LEAST_COVERAGE))
    if not usable.size:
        return None
    newest = int(usable[-1])
    # of equal sums the newest
    highest = int(usable[::-1][np.argmax(kg[usable[::-1]])])
    halves = [half_kg(highest), half_kg(newest)]
    known = [half for half in halves if half is not None]
    return Peak(
        highest_kg=float(kg[highest]),
        highest_day=highest,
        newest_kg=float(kg[newest]),
        newest_day=newest,
        half_kg=math.hypot(*known) if len(known) == len(halves) else None,
    )
