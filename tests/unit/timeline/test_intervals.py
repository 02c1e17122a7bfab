"""Intervals behave as the sets of minutes that they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.timeline.intervals import Interval, bounds

_MINUTE = st.integers(min_value=0, max_value=40)
_INTERVAL = st.builds(Interval, start=_MINUTE, end=_MINUTE)


def _set(interval: Interval) -> set[int]:
    return set(range(interval.start, interval.end))


@given(_INTERVAL, _INTERVAL)
def test_two_intervals_are_two_sets_of_minutes(one: Interval, other: Interval) -> None:
    assert one.overlaps(other) == bool(_set(one) & _set(other))
    assert _set(one.within(other)) == _set(one) & _set(other)
    assert set().union(*map(_set, one.without(other))) == _set(one) - _set(other)


@given(_INTERVAL)
def test_one_interval_is_a_set_of_minutes(interval: Interval) -> None:
    assert interval.minutes == len(_set(interval))


@given(st.lists(_INTERVAL.filter(lambda i: i.minutes > 0), min_size=1))
def test_bounds_hold_all(intervals: list[Interval]) -> None:
    minutes = set().union(*map(_set, intervals))
    assert bounds(intervals) == Interval.through(min(minutes), max(minutes))


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [(0, 0, [0]), (0, 59, [0]), (0, 60, [0, 1]), (59, 60, [0, 1]), (120, 239, [2, 3])],
)
def test_hours_are_those_with_a_minute_in_it(first: int, last: int, hours: list[int]) -> None:
    assert list(Interval.through(first, last).hours) == hours
