"""Ways to continue a series of steps, hours or days: what came before at the same time comes again.

A method gets all steps before an instant, NaN where one is not known, and returns the next ones;
NaN where it cannot. All are forms of the seasonal naive method: Hyndman and Athanasopoulos,
Forecasting: Principles and Practice, 3rd edition, section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Seasons that a mean is formed of.
SEASONS: Final = 4
#: Days of a year of whole weeks.
YEAR: Final = 364
_WEEK: Final = 7
_DAY_HOURS: Final = 24
_WEEK_HOURS: Final = _WEEK * _DAY_HOURS
#: Days whose sum is compared with the sum of the same days a year before.
_TREND: Final = 28


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A way to continue a series, and how many steps it looks back."""

    name: str
    back: int
    forecast: Callable[[Floats, int], Floats]


def seasonal_naive(season: int) -> Method:
    """Return the method that repeats the newest season."""
    return Method(
        name="seasonal-naive",
        back=season,
        forecast=lambda history, steps: _repeated(history[-season:], steps),
    )


def seasonal_mean(season: int) -> Method:
    """Return the method that repeats the mean of the newest four seasons, of what is known."""

    def forecast(history: Floats, steps: int) -> Floats:
        return _repeated(_mean(history[-SEASONS * season :].reshape(SEASONS, season)), steps)

    return Method(name="seasonal-mean", back=SEASONS * season, forecast=forecast)


def levelled_mean(season: int, newest: int) -> Method:
    """Return the mean of four seasons, times what the newest steps were of what it says of them."""
    mean = seasonal_mean(season)

    def forecast(history: Floats, steps: int) -> Floats:
        repeated = mean.forecast(history[:-newest], newest + steps)
        came = history[-newest:]
        both = ~np.isnan(came) & ~np.isnan(repeated[:newest])
        level = float(repeated[:newest][both].sum())
        if both.sum() < newest / 2 or level <= 0:
            return np.full(steps, np.nan)
        return repeated[newest:] * max(0.0, float(came[both].sum()) / level)

    return Method(name="seasonal-mean-level", back=mean.back + newest, forecast=forecast)


def _year_before(history: Floats, steps: int) -> Floats:
    """Return the mean of the same weekday 51, 52 and 53 weeks before each day."""
    first = history.size + np.arange(steps) % YEAR - YEAR
    weeks = np.stack([first - _WEEK, first, first + _WEEK])
    is_past = weeks < history.size
    return _mean(np.where(is_past, history[np.where(is_past, weeks, 0)], np.nan))


def _trend(history: Floats, steps: int) -> Floats:
    newest, before = history[-_TREND:], history[-_TREND - YEAR : -YEAR]
    both = ~np.isnan(newest) & ~np.isnan(before)
    level = float(before[both].sum())
    if both.sum() < _TREND / 2 or level <= 0:
        return np.full(steps, np.nan)
    return _year_before(history, steps) * max(0.0, float(newest[both].sum()) / level)


#: Ways to continue hours: hours of the week, at their own level or at that of the newest day.
OF_HOURS: Final = (
    seasonal_naive(_WEEK_HOURS),
    seasonal_mean(_WEEK_HOURS),
    levelled_mean(_WEEK_HOURS, _DAY_HOURS),
)
#: Ways to continue days: days of the week, and of a year ago at the level of then or of now.
OF_DAYS: Final = (
    seasonal_naive(_WEEK),
    seasonal_mean(_WEEK),
    Method(name="year-before", back=YEAR + _WEEK, forecast=_year_before),
    Method(name="year-before-trend", back=YEAR + _TREND, forecast=_trend),
)


def _repeated(season: Floats, steps: int) -> Floats:
    return np.resize(season, steps)


def _mean(rows: Floats) -> Floats:
    """Return the mean of each column's known values; NaN: there is none."""
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    sums = np.where(known, rows, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, sums / np.maximum(count, 1), np.nan))
