"""Look-back and availability."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.core.accounting.stack.history import (
    THREE_YEARS_H,
    Gap,
    History,
    UnitHour,
    availability,
)


def measured(clock_hour: int, value: int = 12, code: str = "01") -> UnitHour:
    return UnitHour(clock_hour=clock_hour, value=Decimal(value), code=code)


@pytest.mark.parametrize("code", ["06", "07", "08", "09", "10", "11", "12", "55", "mrr-2-sigma"])
def test_a_substituted_hour_never_enters_a_look_back(code: str) -> None:
    past = [measured(1, 11), measured(2, 99, code), measured(3, 13)]
    assert History(past).look_back(at_clock_hour=4, hours=720) == (Decimal(11), Decimal(13))


def test_a_look_back_holds_the_last_hours_before_the_missing_one() -> None:
    past = [measured(hour, hour) for hour in range(1000)]
    values = History(past).look_back(at_clock_hour=900, hours=720)
    assert (len(values), values[0], values[-1]) == (720, Decimal(180), Decimal(899))


def test_a_look_back_crosses_the_quarter_but_not_three_years() -> None:
    past = [measured(0, 1), measured(2160, 2), measured(THREE_YEARS_H, 3)]
    assert History(past).look_back(at_clock_hour=THREE_YEARS_H + 1, hours=720) == (
        Decimal(2),
        Decimal(3),
    )


@pytest.mark.vector
@pytest.mark.parametrize(
    ("assured", "operating", "expected"),
    [(950, 1000, "95.0"), (9495, 10000, "95.0"), (9494, 10000, "94.9"), (0, 5, "0.0")],
)
def test_availability_is_recorded_to_a_tenth(assured: int, operating: int, expected: str) -> None:
    assert str(availability(quality_assured_hours=assured, operating_hours=operating)) == expected


@pytest.mark.parametrize(("assured", "operating"), [(0, 0), (2, 1), (-1, 1)])
def test_an_impossible_availability_is_refused(assured: int, operating: int) -> None:
    with pytest.raises(ValueError, match="availability"):
        availability(quality_assured_hours=assured, operating_hours=operating)


def test_availability_counts_the_hours_of_the_gap_too() -> None:
    past = [measured(hour) for hour in range(9)] + [measured(9, code="06")]
    assert History(past).percent_availability(at_clock_hour=9) == Decimal("90.0")
    assert History(past).percent_availability(at_clock_hour=8) == Decimal("100.0")
    assert History([]).percent_availability(at_clock_hour=0) is None


def test_availability_looks_at_the_last_8760_operating_hours() -> None:
    past = [measured(hour, code="12") for hour in range(5000)]
    past += [measured(5000 + hour) for hour in range(8760)]
    assert History(past).percent_availability(at_clock_hour=13_759) == Decimal("100.0")


def test_hours_with_the_diluent_cap_are_measured_and_available() -> None:
    past = [measured(0, 4, "14"), measured(1, 5, "14"), measured(2, 9, "06")]
    history = History(past)
    assert history.quality_assured_hours(at_clock_hour=3) == 2
    assert history.percent_availability(at_clock_hour=2) == Decimal("66.7")
    assert history.look_back(at_clock_hour=3, hours=720) == (Decimal(4), Decimal(5))


def test_an_approved_method_may_enter_the_look_back_and_not_the_availability() -> None:
    past = [measured(1), measured(2, 14, code="54")]
    assert History(past).look_back(at_clock_hour=3, hours=720) == (Decimal(12), Decimal(14))
    assert History(past).percent_availability(at_clock_hour=2) == Decimal("50.0")


def test_a_gap_is_told_with_the_measured_hours_on_its_sides() -> None:
    past = [measured(1, 11), measured(2, 99, "06"), measured(3, 98, "06"), measured(4, 13)]
    assert History(past).gap(at_clock_hour=3) == Gap(hours=2, before=Decimal(11), after=Decimal(13))
    assert History(past[:3]).gap(at_clock_hour=2) == Gap(hours=2, before=Decimal(11), after=None)
    assert History(past[1:3]).gap(at_clock_hour=2) == Gap(hours=2, before=None, after=None)


@pytest.mark.thorough
def test_availability_at_a_past_hour_does_not_know_what_came_after() -> None:
    past = [measured(hour) for hour in range(10)]
    past += [measured(10 + hour, code="12") for hour in range(10_000)]
    assert History(past).percent_availability(at_clock_hour=9) == Decimal("100.0")


def test_measured_hours_of_a_period_are_counted_and_listed() -> None:
    past = [measured(1, 11), measured(2, 99, "06"), measured(3, 13), measured(4, 14)]
    history = History(past)
    assert history.measured_between(1, 4) == (Decimal(11), Decimal(13))
    assert history.quality_assured_hours(at_clock_hour=4) == 2
    assert history.clock_hours(at_clock_hour=4) == 3
