from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.accounting.gauges import minute_means
from services.core.accounting.spreading import MINUTE_US

SECOND = 1_000_000
GAP = 300 * SECOND


def _means(
    *readings: tuple[float, float], first: int = 0, last: int = 2, gap: int = GAP
) -> tuple[list[float], list[int]]:
    ts = np.array([round(t * SECOND) for t, _ in readings], dtype=np.int64)
    values = np.array([v for _, v in readings], dtype=np.float64)
    means, covered = minute_means(ts, values, gap, first, last)
    return means.tolist(), covered.tolist()


def test_a_value_holds_until_the_next_one() -> None:
    means, covered = _means((0, 10.0), (45, 30.0), (60, 50.0), (180, 1.0))
    assert means == [15.0, 50.0, 50.0]
    assert covered == [MINUTE_US] * 3


def test_a_value_holds_no_longer_than_max_gap() -> None:
    means, covered = _means((0, 10.0), gap=90 * SECOND)
    assert means[:2] == [10.0, 10.0]
    assert math.isnan(means[2])
    assert covered == [MINUTE_US, 30 * SECOND, 0]


def test_uncovered_time_is_left_out_and_never_zero() -> None:
    means, covered = _means((30, 8.0), gap=10 * SECOND, last=0)
    assert means == [8.0]
    assert covered == [10 * SECOND]


def test_an_explicit_gap_ends_the_hold() -> None:
    means, covered = _means((0, 10.0), (15, math.nan), (30, 20.0), (60, math.nan))
    assert means[0] == pytest.approx(50 / 3)
    assert covered == [45 * SECOND, 0, 0]
    assert math.isnan(means[1])


def test_a_reading_before_the_minutes_still_holds() -> None:
    assert _means((-60, 7.0), last=0) == ([7.0], [MINUTE_US])


def test_the_last_reading_of_a_live_channel_counts_into_its_hold() -> None:
    means, covered = _means((170, 4.0))
    assert means[2] == 4.0
    assert covered[2] == 10 * SECOND


def test_no_reading_covers_nothing() -> None:
    means, covered = _means(first=0, last=1)
    assert all(math.isnan(each) for each in means)
    assert covered == [0, 0]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))),
        min_size=1,
        max_size=40,
    )
)
def test_a_mean_lies_within_its_values_and_does_not_depend_on_the_window(
    gaps: list[tuple[int, float]],
) -> None:
    ts = np.cumsum([gap for gap, _ in gaps]).astype(np.int64) * SECOND
    values = np.array([v for _, v in gaps])
    last = int(ts[-1] // MINUTE_US) + 5
    means, covered = minute_means(ts, values, GAP, 0, last)
    known = ~np.isnan(means)
    assert (known == (covered > 0)).all()
    assert (covered <= MINUTE_US).all()
    for minute in np.flatnonzero(known):
        held = values[(ts < (minute + 1) * MINUTE_US) & (ts + GAP > minute * MINUTE_US)]
        slack = 1e-9 * max(1.0, float(np.nanmax(np.abs(held))))
        assert np.nanmin(held) - slack <= means[minute] <= np.nanmax(held) + slack
        near = (ts > minute * MINUTE_US - GAP) & (ts < (minute + 1) * MINUTE_US)
        alone, _ = minute_means(ts[near], values[near], GAP, int(minute), int(minute))
        assert alone[0] == means[minute]


@given(st.floats(-1e9, 1e9), st.lists(st.integers(1, 50), min_size=2, max_size=20))
def test_a_constant_stays_exactly_constant(value: float, gaps: list[int]) -> None:
    ts = np.cumsum(gaps).astype(np.int64) * SECOND
    means, _ = minute_means(ts, np.full(ts.size, value), GAP, 0, int(ts[-1] // MINUTE_US))
    assert set(means[~np.isnan(means)].tolist()) <= {value}
