"""Shares of a span of time, by the method that its figures came by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.models.shares import quality, shares
from services.core.store.schema.figures import SHARES


def test_uncertain_readings_of_an_hour_without_a_value_are_no_share_of_anything() -> None:
    # an hour measured, and one whose 20 uncertain minutes closing took away
    methods = {"measured": 60 - 20, "substituted": 0, "estimated": 20}
    assert shares(120, [methods.get(name, 0) for name in SHARES])["missing"] == 0.5
    alone = {"measured": -20, "substituted": 0, "estimated": 20}
    found = shares(60, [alone.get(name, 0) for name in SHARES])
    assert (found["missing"], quality(found)) == (1.0, "missing")


@given(st.integers(1, 10**9), st.lists(st.integers(0, 10**9), min_size=3, max_size=3))
def test_shares_add_up_and_none_is_below_zero(length: int, times: list[int]) -> None:
    methods = [times[0] - times[2], *times[1:]]
    found = shares(length, [*methods, *([0] * (len(SHARES) - 3))])
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in found.values())


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ({"measured": 60}, "measured"),
        ({"measured": 59}, "partial"),
        ({"measured": 20, "estimated": 40}, "estimated"),
        ({"measured": 30, "substituted": 1}, "substituted"),
        ({}, "missing"),
    ],
)
def test_a_span_has_the_word_that_an_hour_would_have(known: dict[str, int], word: str) -> None:
    assert quality(shares(60, [known.get(name, 0) for name in SHARES])) == word
