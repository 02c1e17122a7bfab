"""How many data points an hour had, and how many it could have had."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.core.accounting.stack.data_points import (
    LOOK_BACK_HOURS,
    data_points,
    hour_interval_us,
    learned_interval_us,
    possible_points,
)

MAX_GAP_US = 300_000_000


def at(*seconds: float) -> NDArray[np.int64]:
    return np.array(sorted({round(second * 1e6) for second in seconds}), dtype=np.int64)


def regular(every_s: float, until_s: float = 3600.0, start_s: float = 0.0) -> list[float]:
    return [start_s + n * every_s for n in range(int((until_s - start_s - 1e-9) // every_s) + 1)]


def interval_s(*seconds: float, max_gap_us: int = MAX_GAP_US) -> float | None:
    found = hour_interval_us(at(*seconds), max_gap_us)
    return None if found is None else found / 1e6


@pytest.mark.parametrize("every_s", [0.25, 1, 10, 15, 60, 61, 300])
def test_a_regular_channel_tells_its_interval(every_s: float) -> None:
    assert interval_s(*regular(every_s)) == every_s


def test_the_slowest_cycle_is_told_where_the_value_holds_that_long() -> None:
    quarter_hours = regular(900)
    assert interval_s(*quarter_hours, max_gap_us=1_000_000_000) == 900
    assert interval_s(*quarter_hours) is None
    # two readings that lie farther apart are no rhythm: one more may be lost between them
    assert interval_s(840, 2640, max_gap_us=3_600_000_000) is None


@pytest.mark.parametrize("seed", range(5))
def test_clocks_that_jitter_tell_the_same_interval(seed: int) -> None:
    rng = random.Random(seed)
    assert interval_s(*(n * 10 + rng.uniform(-3, 3) for n in range(1, 360))) == 10
    # arrival times of a device that sends when it comes to it
    wild = [0.0]
    while wild[-1] < 3580:
        wild.append(wild[-1] + rng.uniform(5, 15))
    found = interval_s(*wild)
    assert found is not None
    assert found == pytest.approx(10, rel=0.06)


def test_an_outage_changes_nothing() -> None:
    assert interval_s(*regular(60, 1200), *regular(60, start_s=3000)) == 60
    assert interval_s(*regular(60, 2761)) == 60


def test_bursts_and_duplicates_do_not_shorten_it() -> None:
    burst = [1000 + n / 100 for n in range(500)]
    assert interval_s(*regular(60), *burst) == 60
    # each reading twice, a second apart
    assert interval_s(*regular(60), *(t + 1 for t in regular(60, 3590))) in {59, 60}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lost", [0.1, 0.3, 0.45])
def test_lost_readings_do_not_lengthen_it(lost: float, seed: int) -> None:
    rng = random.Random(seed)
    assert interval_s(*(t for t in regular(10) if rng.random() > lost)) == 10
    assert interval_s(*(t for n, t in enumerate(regular(10)) if n % 6 < 4)) == 10


def test_an_hour_with_few_readings_tells_nothing() -> None:
    assert interval_s() is None
    assert interval_s(5) is None
    assert interval_s(*regular(10, 600)) is None


def test_the_hours_of_a_day_tell_it_together_and_an_outage_is_outvoted() -> None:
    seconds = 1_000_000
    hour = 500
    steady: dict[int, int | None] = {hour - back: 10 * seconds for back in LOOK_BACK_HOURS}
    assert learned_interval_us(steady | {hour: 60 * seconds}, hour, MAX_GAP_US) == 10 * seconds
    # thinned for six hours: it is still the interval of the day before
    thinned = steady | {hour - back: 60 * seconds for back in (0, 1, 6)}
    assert learned_interval_us(thinned, hour, MAX_GAP_US) == 10 * seconds
    assert learned_interval_us({hour: 60 * seconds}, hour, MAX_GAP_US) == 60 * seconds
    assert learned_interval_us({hour: None}, hour, MAX_GAP_US) == MAX_GAP_US
    assert learned_interval_us({}, hour, 7_200_000_000) == 900 * seconds


@pytest.mark.parametrize("every_s", [7, 10, 60, 900])
def test_each_reading_of_a_regular_channel_is_a_point(every_s: float) -> None:
    every_us = round(every_s * 1e6)
    whole = regular(every_s)
    assert data_points(at(*whole), every_us) == len(whole)
    assert possible_points(3600, every_us) in {len(whole), len(whole) - 1}
    good = [t for n, t in enumerate(whole) if n % 6 < 4]
    assert data_points(at(*good), every_us) == len(good)
    alternate = whole[::2]
    assert data_points(at(*alternate), every_us) == len(alternate)


def test_bursts_and_faster_readings_do_not_make_up_for_what_is_lacking() -> None:
    minute = 60_000_000
    half_an_hour_of_seconds = at(*range(1800))
    assert data_points(half_an_hour_of_seconds, minute) == 31
    assert data_points(at(*(n / 1000 for n in range(1000))), minute) == 1
    twice = at(*regular(60), *(t + 1 for t in regular(60, 3590)))
    assert data_points(twice, minute) == 60
    assert data_points(at(), minute) == 0


@given(st.lists(st.integers(0, 3_599_999_999), max_size=60), st.integers(100_000, 900_000_000))
def test_points_are_at_most_the_readings_and_never_fewer_than_with_one_less(
    times: list[int], every_us: int
) -> None:
    ts_us = np.unique(np.array(times, dtype=np.int64))
    whole = data_points(ts_us, every_us)
    assert 0 <= whole <= ts_us.size
    assert (whole == 0) == (ts_us.size == 0)
    for left_out in range(ts_us.size):
        assert data_points(np.delete(ts_us, left_out), every_us) <= whole


@given(st.lists(st.integers(0, 3_599_999_999), max_size=200))
def test_an_interval_is_one_that_readings_lie_apart(times: list[int]) -> None:
    ts_us = np.unique(np.array(times, dtype=np.int64))
    found = hour_interval_us(ts_us, MAX_GAP_US)
    if found is not None:
        pauses = np.diff(ts_us)
        assert 0.9 * pauses.min() <= found <= 1.05 * MAX_GAP_US
