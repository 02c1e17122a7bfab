"""What of removals and credits counts against a path: the residual's share, and in its years."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.core.accounting.pathway.balance import Balance, Counting, Removed, balance
from services.core.accounting.pathway.paths import Path, Point, peak_then_neutral
from services.core.accounting.pathway.policies import POLICIES
from services.core.facility.pathway import ScopePath

T = 1000.0
#: G9: peak 115 000 t in 2030, residual 10 % in 2060.
PATH: Path = peak_then_neutral(
    Point(year=2025, value=100_000 * T),
    Point(year=2030, value=115_000 * T),
    2060,
    residual_percent=10,
)
STRICT = Counting(removals_percent=100, credits_percent=0)


def settled(year: int, gross_kg: float, removed: Removed, counting: Counting) -> Balance:
    return balance(PATH, year, gross_kg, removed, counting, is_settled=True)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("removed", "neutral"),
    [
        (Removed(removed_kg=11_500 * T, permanent_kg=11_500 * T), True),
        (Removed(removed_kg=11_499 * T, permanent_kg=11_499 * T), False),
        # not for good
        (Removed(removed_kg=11_500 * T), False),
        # of somebody else
        (Removed(credits_kg=11_500 * T), False),
        (Removed(removed_kg=11_000 * T, permanent_kg=11_000 * T, credits_kg=500 * T), False),
    ],
)
def test_3060_is_neutral_in_2060_only_with_permanent_removals_of_the_residual(
    removed: Removed, neutral: bool
) -> None:
    assert POLICIES["china-3060-2020"].most_credits_percent == 0
    held = settled(2060, 11_500 * T, removed, STRICT)
    assert held.is_neutral is neutral
    # a year that runs, or of which little is known, may still come to more
    early = balance(PATH, 2060, 11_500 * T, removed, STRICT, is_settled=False)
    assert early == replace(held, is_neutral=None)
    assert held.gross_kg == 11_500 * T
    assert held.net_kg == held.gross_kg - held.counted_removals_kg
    assert held.counted_credits_kg == 0


def test_nothing_counts_before_the_neutral_year_nor_above_the_residual() -> None:
    much = Removed(removed_kg=90_000 * T, permanent_kg=90_000 * T, credits_kg=90_000 * T)
    early = settled(2040, 80_500 * T, much, Counting(removals_percent=100, credits_percent=9))
    assert (early.net_kg, early.is_neutral) == (80_500 * T, None)
    above = settled(2060, 20_000 * T, much, STRICT)
    assert (above.counted_removals_kg, above.net_kg) == (11_500 * T, 8_500 * T)
    assert above.is_neutral is False


def test_credits_count_up_to_the_share_that_the_file_lets_them() -> None:
    removed = Removed(removed_kg=9_000 * T, permanent_kg=9_000 * T, credits_kg=9_000 * T)
    held = settled(2061, 11_500 * T, removed, Counting(removals_percent=100, credits_percent=20))
    assert (held.counted_removals_kg, held.counted_credits_kg) == (9_000 * T, 2_300 * T)
    assert held.is_neutral is False
    assert held.net_kg == pytest.approx(200 * T)


@pytest.mark.parametrize("policy", ["sbti-1.5c-2019", "sbti-wb2c-2019", "china-3060-2020"])
def test_a_policy_that_forbids_credits_takes_no_share_of_them(policy: str) -> None:
    stated = {
        "scope": 1,
        "base": {"year": 2025, "tonnes": 100},
        "policy": policy,
        "credits_share": 5,
        **({"peak": {"year": 2030, "tonnes": 115}} if "3060" in policy else {}),
    }
    with pytest.raises(ValueError, match=f"{policy} lets credits balance 0 % of the residual"):
        ScopePath.model_validate(stated)
    own = {
        **stated,
        "policy": "peak-then-neutral",
        "peak": {"year": 2030, "tonnes": 115},
        "neutral_year": 2050,
    }
    assert ScopePath.model_validate(own).counting.credits_percent == 5
