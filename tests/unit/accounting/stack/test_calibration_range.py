"""When values beyond the valid calibration range ask for a new calibration (EN 14181 QAL2)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.core.accounting.stack.calibration_range import (
    RangeStanding,
    ValidRange,
    WeekOfValues,
    in_force,
    standing,
)

MONDAY = date(2026, 3, 2)


def weeks(*beyond: int, values: int = 100) -> list[WeekOfValues]:
    return [
        WeekOfValues(monday=MONDAY + timedelta(weeks=n), values=values, beyond=count)
        for n, count in enumerate(beyond)
    ]


def evaluated(*beyond: int, values: int = 100) -> RangeStanding:
    last = MONDAY + timedelta(weeks=len(beyond))
    return standing(weeks(*beyond, values=values), since=MONDAY, through=last - timedelta(days=1))


@pytest.mark.vector
@pytest.mark.parametrize(
    ("beyond", "is_due"),
    [
        # more than 5 % in each of more than five weeks
        ((6,) * 5, False),
        ((6,) * 6, True),
        ((5,) * 60, False),
        ((6, 0) * 6, True),
        ((6, 0) * 5, False),
        # more than 40 % in one
        ((40,), False),
        ((41,), True),
        ((0, 0, 0, 41, 0), True),
        ((40, 40, 40, 40, 40), False),
        ((), False),
    ],
)
def test_a_new_calibration_is_due_beyond_both_limits(beyond: tuple[int, ...], is_due: bool) -> None:
    assert evaluated(*beyond).is_due is is_due


def test_shares_are_of_the_weeks_own_values_and_exact() -> None:
    # 9 of 168 are 5.36 %, 8 are 4.76 %
    assert len(evaluated(9, 8, values=168).often) == 1
    # 67 of 167 are 40.1 %, of 168 39.9 %
    assert evaluated(67, values=167).is_due
    assert not evaluated(67, values=168).is_due
    assert "in the week of 2026-03-02 67 of 167 averages lay beyond" in (
        evaluated(67, values=167).reason
    )
    assert evaluated(6, 6).reason.startswith("in 2 weeks more than 5 % of the averages")


def test_a_week_counts_when_it_is_over_and_wholly_under_the_function() -> None:
    listed = weeks(50, 0, 50)
    sunday = MONDAY + timedelta(days=20)
    assert standing(listed, since=MONDAY, through=sunday).much == (listed[0], listed[2])
    assert standing(listed, since=MONDAY, through=sunday - timedelta(days=1)).much == (listed[0],)
    assert standing(listed, since=MONDAY + timedelta(days=1), through=sunday).much == (listed[2],)


@pytest.mark.parametrize(
    ("bounds", "value", "beyond"),
    [
        ((0.0, 120.0), 120.0, False),
        ((0.0, 120.0), 120.1, True),
        ((0.0, 120.0), 0.0, False),
        # noise about zero is not beyond a range from zero
        ((0.0, 120.0), -0.4, False),
        ((3.0, 120.0), 2.9, True),
        (None, 500.0, None),
    ],
)
def test_what_lies_beyond(
    bounds: tuple[float, float] | None, value: float, beyond: bool | None
) -> None:
    assert ValidRange(from_us=None, bounds=bounds).is_beyond(value) is beyond


def test_a_range_holds_from_its_instant_on() -> None:
    ranges = (
        ValidRange(from_us=None, bounds=None),
        ValidRange(from_us=100, bounds=(0.0, 1.0)),
        ValidRange(from_us=200, bounds=(0.0, 2.0)),
    )
    assert [in_force(ranges, ts) for ts in (99, 100, 199, 200)] == [
        ranges[0],
        ranges[1],
        ranges[1],
        ranges[2],
    ]
