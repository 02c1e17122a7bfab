"""A forecast is the least wrong of those that were tried, and its band is how wrong it was."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.forecast.methods import OF_DAYS, OF_HOURS, seasonal_naive
from services.core.accounting.forecast.outlook import history_of, outlook
from services.core.accounting.forecast.past_forecasts import past_forecasts

NAN = float("nan")
WEEK = np.array([5.0, 5.0, 5.0, 5.0, 5.0, 2.0, 1.0])


def test_a_pattern_that_repeats_has_no_band() -> None:
    expected = outlook(np.tile(WEEK, 8), np.array([0.5, 1.0, 1.0]), OF_DAYS, stride=1)
    assert expected is not None
    assert (expected.rest, expected.half, expected.least) == (2.5 + 5 + 5, 0, 0)
    assert expected.method == "seasonal-naive"


def test_the_band_is_students_t_times_the_root_mean_square_error() -> None:
    # weeks of 10 and 14 by turns: repeating the newest is wrong by 4 each time
    history = np.repeat([10.0, 14.0] * 3, 7)
    past = past_forecasts(seasonal_naive(7), history, np.ones(7), stride=7)
    assert past is not None
    assert past.errors.tolist() == [28, -28, 28, -28, 28]
    # 2.015: 95 % of Student's t of five degrees of freedom lie below
    assert past.independent == 5
    assert past.half == pytest.approx(28 * 2.015)


def test_forecasts_that_share_time_count_once() -> None:
    history = np.repeat([10.0, 14.0] * 3, 7)
    past = past_forecasts(seasonal_naive(7), history, np.ones(14), stride=1)
    assert past is not None
    # 42 days, 7 of them before the first forecast; 35 days are two times 14
    assert (past.errors.size, past.independent) == (22, 2)


def test_the_least_wrong_method_is_taken() -> None:
    # weeks of 10 and 14 by turns: the mean of four is wrong by 2, the newest week by 4
    expected = outlook(np.repeat([10.0, 14.0] * 4, 7), np.ones(3), OF_DAYS, stride=1)
    assert expected is not None
    assert (expected.method, expected.rest) == ("seasonal-mean", 36)


def test_hours_of_the_day_are_compared_with_themselves() -> None:
    day = np.concatenate([np.zeros(20), [1.0, 2.0, 3.0, 4.0]])
    # 20 o'clock: what is left of the day is 1, 2, 3 and 4
    history = np.concatenate([np.tile(day, 20), np.zeros(20)])
    expected = outlook(history, np.ones(4), OF_HOURS, stride=24)
    assert expected is not None
    assert (expected.rest, expected.half) == (10, 0)
    assert expected.past == expected.independent == 13


def test_too_little_is_no_forecast() -> None:
    # a week before the first forecast, and twice seven days
    assert outlook(np.ones(20), np.ones(7), OF_DAYS, stride=1) is None
    assert outlook(np.ones(21), np.ones(7), OF_DAYS, stride=1) is not None
    # the newest week is not known: none of these methods says anything of its days
    unknown = np.concatenate([np.ones(14), np.full(14, NAN)])
    assert outlook(unknown, np.ones(7), [seasonal_naive(7)], stride=1) is None


def test_what_flowed_back_may_again() -> None:
    expected = outlook(np.tile(-WEEK, 8), np.ones(7), OF_DAYS, stride=1)
    assert expected is not None
    assert (expected.rest, expected.least) == (-28, None)


def test_the_history_begins_with_the_last_source_that_matters() -> None:
    kg = np.array([[10.0] * 6, [0.0, 0.0, 5.0, 5.0, 5.0, 5.0], [0.0] * 4 + [0.1, 0.1]])
    sums, first = history_of(kg, np.where(kg > 0, 100.0, 0.0), np.full(6, 100.0), newest=6)
    assert first == 2
    assert sums == pytest.approx([15, 15, 15.1, 15.1])


def test_a_step_that_is_known_by_nine_tenths_stands_for_all_of_its_time() -> None:
    known = np.array([[100.0, 90.0, 89.0]])
    sums, _ = history_of(np.full((1, 3), 9.0), known, np.full(3, 100.0), newest=3)
    assert sums == pytest.approx([9, 10, NAN], nan_ok=True)
    assert history_of(np.zeros((1, 3)), np.zeros((1, 3)), np.ones(3), newest=3)[0].size == 0
