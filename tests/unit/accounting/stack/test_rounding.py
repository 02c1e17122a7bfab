"""Rounding halves away from zero."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.stack.rounding import half_away


@pytest.mark.vector
@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        ("50.25", 1, "50.3"),
        ("50.35", 1, "50.4"),
        ("-50.25", 1, "-50.3"),
        ("0.05", 1, "0.1"),
        ("60123500", -3, "60124000"),
        ("60122499.9", -3, "60122000"),
        ("3.37070628", 1, "3.4"),
    ],
)
def test_halves_go_away_from_zero(value: str, places: int, expected: str) -> None:
    assert str(half_away(Decimal(value), places)) == expected


def test_the_default_of_decimal_would_differ() -> None:
    assert Decimal("50.25").quantize(Decimal("0.1"), rounding=ROUND_HALF_EVEN) == Decimal("50.2")


def test_a_missing_value_stays_missing() -> None:
    assert half_away(Decimal("NaN"), 1).is_nan()


@given(st.integers(-(10**12), 10**12), st.integers(0, 3))
def test_it_is_odd_and_never_more_than_half_a_step_off(scaled: int, places: int) -> None:
    value = Decimal(scaled) / 10_000
    rounded = half_away(value, places)
    assert abs(rounded - value) * 2 * 10**places <= 1
    assert half_away(-value, places) == -rounded


def test_the_context_of_the_caller_does_not_matter() -> None:
    with localcontext(Context(prec=3, rounding=ROUND_HALF_EVEN)):
        assert str(half_away(Decimal("12345.25"), 1)) == "12345.3"
