"""Ways to continue a series repeat what came before at the same time."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.forecast.methods import (
    OF_DAYS,
    levelled_mean,
    seasonal_mean,
    seasonal_naive,
)

NAN = float("nan")
BY_NAME = {method.name: method for method in OF_DAYS}


def test_the_newest_season_comes_again() -> None:
    history = np.array([9.0, 9.0, 9.0, 1.0, 2.0, 3.0])
    assert seasonal_naive(3).forecast(history, 5).tolist() == [1, 2, 3, 1, 2]


def test_the_mean_of_four_seasons_is_of_what_is_known() -> None:
    history = np.array([7.0, 1.0, NAN, 2.0, NAN, 3.0, NAN, 4.0, NAN])
    # the season that has gone by before the newest four does not count
    assert seasonal_mean(2).forecast(history, 2).tolist() == [2.5, pytest.approx(NAN, nan_ok=True)]


def test_the_level_of_the_newest_steps_scales_the_mean() -> None:
    # the mean says 2 and 4; the newest two steps were half of that
    history = np.array([2.0, 4.0] * 4 + [1.0, 2.0])
    assert levelled_mean(2, 2).forecast(history, 3).tolist() == [1, 2, 1]
    assert np.isnan(levelled_mean(2, 2).forecast(np.zeros(10), 3)).all()


def test_days_of_a_year_before_are_the_same_weekdays() -> None:
    days = np.arange(400.0)
    said = BY_NAME["year-before"].forecast(days, 3)
    # the mean of 357, 364 and 371 days before
    assert said.tolist() == [36, 37, 38]
    # a week of the coming year is not known yet: the mean of the two before
    assert BY_NAME["year-before"].forecast(days, 364)[-1] == (392 + 399) / 2


def test_the_trend_is_the_newest_28_days_over_those_a_year_before() -> None:
    days = np.full(364 + 28, 100.0)
    days[-28:] = 80.0
    assert BY_NAME["year-before-trend"].forecast(days, 2) == pytest.approx([80, 80])
    days[-20:] = NAN
    assert np.isnan(BY_NAME["year-before-trend"].forecast(days, 2)).all()
