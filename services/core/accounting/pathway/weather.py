"""What of the difference of two sums of 365 days the weather explains, by degree days.

A day's heating degree days are what its mean temperature lies below a base, its cooling degree days
what it lies above another one. By default the bases are those of the heating and cooling degree day
indices of the European Environment Agency, 15.5 and 22 degC. How much a site emits for a degree day
is fitted over weeks, with a level of its own for each of the two sums, so that what the site has
changed is not taken for weather.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.pathway.peak import DAYS, LEAST_COVERAGE

Floats = NDArray[np.float64]

HEATING_BASE_C: Final = 15.5
COOLING_BASE_C: Final = 22.0

_WEEK: Final = 7
#: Errors of weeks that are so many weeks apart may still be alike (Newey and West, 1987).
_LAGS: Final = 4
#: A slope that is not this many standard errors above zero is no effect of the weather.
_SIGNIFICANT: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DegreeDays:
    """Degree days of a sum of 365 days."""

    heating: float
    cooling: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WeatherEffect:
    """What weather has in the difference of the highest and the newest sum of 365 days."""

    highest: DegreeDays
    newest: DegreeDays
    #: how much more the highest has of it than the newest
    kg: float
    #: half the 95 % interval of that
    half_kg: float


def degree_days(mean_c: Floats, heating_base_c: float, cooling_base_c: float) -> Floats:
    """Return heating and cooling degree days (2, days) of daily mean temperatures; NaN: unknown."""
    return np.stack(
        [np.maximum(0.0, heating_base_c - mean_c), np.maximum(0.0, mean_c - cooling_base_c)]
    )


def weather_effect(
    kg: Floats, degrees: Floats, *, highest_day: int, newest_day: int
) -> WeatherEffect | None:
    """Compare two sums of 365 days by their degree days; None: fewer than 90 % of both are known.

    ``kg`` and ``degrees`` (2, days) are by day; a sum is called by its last day.
    """
    windows = [slice(day - DAYS + 1, day + 1) for day in (highest_day, newest_day)]
    known = ~np.isnan(degrees[0])
    if any(known[window].mean() < LEAST_COVERAGE for window in windows):
        return None
    sums = np.array([np.nanmean(degrees[:, window], axis=1) * DAYS for window in windows])
    more = sums[0] - sums[1]
    level = np.zeros(kg.size, dtype=np.int64)
    for number, window in enumerate(windows, start=1):
        level[window] += number
    effect_kg, half_kg = _effect(kg, degrees, np.where(known, level, 0), more)
    highest, newest = (DegreeDays(heating=float(h), cooling=float(c)) for h, c in sums)
    return WeatherEffect(highest=highest, newest=newest, kg=effect_kg, half_kg=half_kg)


def _effect(
    kg: Floats, degrees: Floats, level: NDArray[np.int64], more: Floats
) -> tuple[float, float]:
    """Fit daily means of weeks, and return what so many degree days come to, with half its band.

    ``level``: a number for each of the levels that days may have; 0: the day is not known.
    """
    weeks = level.size // _WEEK
    ends = level.size - weeks * _WEEK
    levels = level[ends:].reshape(weeks, _WEEK)
    whole = (levels[:, 0] > 0) & (levels == levels[:, :1]).all(axis=1)
    mean_kg = kg[ends:].reshape(weeks, _WEEK).mean(axis=1)[whole]
    mean_degrees = degrees[:, ends:].reshape(2, weeks, _WEEK).mean(axis=2)[:, whole]
    constants = np.stack([levels[whole, 0] == number for number in np.unique(levels[whole, 0])])
    chosen = [index for index in range(2) if np.ptp(mean_degrees[index]) > 0]
    while chosen:
        columns = np.vstack([mean_degrees[chosen], constants]).T
        if columns.shape[0] <= 2 * columns.shape[1]:
            break
        slopes, covariance = _fit(columns, mean_kg)
        slopes, covariance = slopes[: len(chosen)], covariance[: len(chosen), : len(chosen)]
        errors = np.sqrt(np.diag(covariance))
        if (slopes < -_SIGNIFICANT * errors).any():
            # the site's seasons are none of heating and cooling
            break
        weakest = int(np.argmin(slopes - _SIGNIFICANT * errors))
        if slopes[weakest] > _SIGNIFICANT * errors[weakest]:
            less = more[chosen]
            return float(slopes @ less), 2 * math.sqrt(max(0.0, float(less @ covariance @ less)))
        del chosen[weakest]
    return 0.0, 0.0


def _fit(columns: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Fit least squares; return the slopes and their covariance, errors being alike in time."""
    slopes = np.linalg.lstsq(columns, values, rcond=None)[0]
    inverse = np.linalg.pinv(columns.T @ columns)
    scores = columns * (values - columns @ slopes)[:, None]
    spread = scores.T @ scores
    for lag in range(1, _LAGS + 1):
        together = scores[lag:].T @ scores[:-lag]
        spread += (1 - lag / (_LAGS + 1)) * (together + together.T)
    freedom = values.size / max(1, values.size - columns.shape[1])
    return np.asarray(slopes), np.asarray(inverse @ spread @ inverse * freedom)
