"""Shares of sources: exact, dated, and never more than the whole."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from services.core.accounting.intensity.allocation import (
    Allocation,
    changes,
    exact,
    in_force,
    too_much,
)

NEW_YEAR = date(2027, 1, 1)


def part(share: Fraction, first: date | None = None, end: date | None = None) -> Allocation:
    return Allocation(source="grid", method="area", share=share, first=first, end=end)


def test_a_share_is_the_number_that_was_written() -> None:
    assert exact(0.1) == Fraction(1, 10)
    assert exact(1200.0) / exact(2000.0) == Fraction(3, 5)


def test_an_allocation_holds_until_the_day_of_the_next() -> None:
    before, after = part(Fraction(3, 5), end=NEW_YEAR), part(Fraction(1, 2), first=NEW_YEAR)
    assert in_force([before, after], date(2026, 12, 31)) == (before,)
    assert in_force([before, after], NEW_YEAR) == (after,)
    assert changes([before, after]) == [NEW_YEAR]


def test_shares_that_add_up_to_the_whole_are_not_too_much() -> None:
    third = Fraction(1, 3)
    assert list(too_much([(name, [part(third)]) for name in "abc"])) == []


def test_more_than_the_whole_is_told_with_its_day() -> None:
    half, more = part(Fraction(1, 2)), part(Fraction(3, 5), first=NEW_YEAR)
    assert list(too_much([("a", [half]), ("b", [more])])) == [("grid", NEW_YEAR, ("a", "b"))]


def test_two_shares_of_one_product_at_a_time_are_refused() -> None:
    parts = [part(Fraction(1, 10)), part(Fraction(1, 10))]
    assert list(too_much([("a", parts)])) == [("grid", None, ("a",))]
