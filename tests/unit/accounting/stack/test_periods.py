"""Quarters, years and operating times."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.stack.periods import (
    HourRate,
    PeriodTotal,
    operating_time,
    period_total,
    year_total,
)


def hour(rate: str | None, op_time: str | None) -> HourRate:
    return HourRate(
        rate=None if rate is None else Decimal(rate),
        op_time=None if op_time is None else Decimal(op_time),
    )


@pytest.mark.vector
def test_an_hour_is_added_unrounded() -> None:
    assert period_total([hour("427.5", "0.75")]).unrounded == Decimal("320.625")


@pytest.mark.vector
def test_a_quarter_is_rounded_once() -> None:
    # Rounded hour by hour, 0.1 * 0.25 = 0.025 would vanish four times.
    total = period_total([hour("0.1", "0.25")] * 6)
    assert total.unrounded == Decimal("0.150")
    assert total.value == Decimal("0.2")


@pytest.mark.vector
def test_a_year_is_the_sum_of_the_quarters_as_reported() -> None:
    quarter = period_total([hour("0.1", "0.5")])
    assert quarter.value == Decimal("0.1")
    assert year_total([quarter] * 4).value == Decimal("0.4")


@pytest.mark.parametrize("op_time", ["1.01", "-0.01", None])
def test_an_operating_time_outside_0_to_1_makes_the_quarter_not_computable(
    op_time: str | None,
) -> None:
    total = period_total([hour("427.5", "1"), hour("427.5", op_time)])
    assert total.value is None
    assert total.reason is not None
    assert "hour 1" in total.reason


def test_an_operating_hour_without_a_rate_is_not_counted_as_zero() -> None:
    assert period_total([hour("427.5", "1"), hour(None, "0.5")]).value is None
    assert period_total([hour("427.5", "1"), hour("NaN", "0.5")]).value is None


def test_an_hour_without_operation_needs_no_rate() -> None:
    assert period_total([hour("427.5", "1"), hour(None, "0")]).value == Decimal("427.5")


def test_one_quarter_that_is_not_computable_makes_the_year_so() -> None:
    good = period_total([hour("1", "1")])
    bad = period_total([hour("1", "2")])
    year = year_total([good, bad, good, good])
    assert year.value is None
    assert year.reason is not None
    assert "quarter 2" in year.reason


def test_no_hours_are_no_mass() -> None:
    assert period_total([]).value == Decimal("0.0")
    assert year_total([]) == PeriodTotal(value=Decimal(0), unrounded=Decimal(0))


hours = st.lists(
    st.builds(
        HourRate,
        rate=st.decimals(0, 1000, places=1),
        op_time=st.decimals(0, 1, places=2),
    ),
    max_size=50,
)


@given(hours, st.randoms())
def test_the_order_of_hours_does_not_matter(year: list[HourRate], rng: object) -> None:
    shuffled = list(year)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert period_total(shuffled).value == period_total(year).value


@pytest.mark.parametrize(
    ("seconds", "increment", "expected"),
    [
        (840, "0.25", "0.25"),
        (900, "0.25", "0.25"),
        (901, "0.25", "0.50"),
        (3600, "0.25", "1"),
        (0, "0.25", "0"),
        (1, "0.01", "0.01"),
        (3599, "0.01", "1"),
    ],
)
def test_operating_time_is_rounded_up(seconds: float, increment: str, expected: str) -> None:
    assert operating_time(seconds, increment=Decimal(increment)) == Decimal(expected)


@pytest.mark.parametrize(("seconds", "increment"), [(-1, "0.25"), (3601, "0.25"), (1, "0.3")])
def test_an_impossible_operating_time_is_refused(seconds: float, increment: str) -> None:
    with pytest.raises(ValueError, match="hour"):
        operating_time(seconds, increment=Decimal(increment))
