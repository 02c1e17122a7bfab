"""Shares of a span of time, by the method that its figures came by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.models.emissions import Emission
from services.api.models.live import Shares
from services.api.models.shares import quality, shares
from services.core.store.schema.figures import METHODS_MS, SHARES


def test_every_method_has_its_share_in_answers() -> None:
    assert set(Shares.model_fields) == {*SHARES, "missing"}
    of_intervals = {name for name in Emission.model_fields if name.startswith("share_")}
    assert of_intervals == {f"share_{name}" for name in (*SHARES, "missing")}


def test_what_no_method_stands_for_is_missing() -> None:
    assert METHODS_MS == ("measured_ms", "substituted_ms", "estimated_ms")
    assert shares(100.0, (50, 20, 5)) == {
        "measured": 0.5,
        "substituted": 0.2,
        "estimated": 0.05,
        "missing": 0.25,
    }


@pytest.mark.parametrize("length_ms", [0.0, 80.0])
def test_shares_add_up_to_one(length_ms: float) -> None:
    assert sum(shares(length_ms, (50, 20, 30)).values()) == pytest.approx(1.0)


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
