"""Load ranges: which hours a missing flow is filled from."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.core.accounting.stack.history import History, UnitHour
from services.core.accounting.stack.load_ranges import load_range


@pytest.mark.vector
@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ("0", 1),
        ("34.9", 1),
        ("35", 2),
        ("314.9", 9),
        ("315", 10),
        ("350", 10),
        ("400", 10),
        ("-3", 1),
        # not known: the highest, which gives the most
        (None, 10),
    ],
)
def test_ten_equal_ranges_up_to_the_greatest_load(load: str | None, expected: int) -> None:
    assert load_range(None if load is None else Decimal(load), 350.0) == expected


def history(*hours: tuple[int, int]) -> History:
    """Measured hours in order, each (value, load range)."""
    return History(
        [
            UnitHour(clock_hour=i, value=Decimal(value), code="01", load_range=of_range)
            for i, (value, of_range) in enumerate(hours)
        ]
    )


def test_a_look_back_holds_the_last_hours_of_the_range_alone() -> None:
    past = history((1, 5), (2, 7), (3, 5), (4, 5), (5, 9))
    assert past.look_back_from_range(5, at_clock_hour=9, hours=2) == (5, (Decimal(3), Decimal(4)))
    assert past.look_back_from_range(5, at_clock_hour=1, hours=2) == (5, (Decimal(1),))


def test_a_range_without_data_takes_the_next_higher_that_has_some_never_a_lower() -> None:
    past = history((1, 5), (2, 7), (3, 9))
    assert past.look_back_from_range(6, at_clock_hour=9, hours=10) == (7, (Decimal(2),))
    assert past.look_back_from_range(10, at_clock_hour=9, hours=10) == (10, ())


def test_nothing_older_than_three_years_is_looked_back_at() -> None:
    assert history((1, 5)).look_back_from_range(5, at_clock_hour=26_281, hours=10) == (5, ())
