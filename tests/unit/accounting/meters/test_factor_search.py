"""Words lead to the factor that is meant."""

from __future__ import annotations

import pytest

from services.core.accounting.factor_search import search


@pytest.mark.parametrize(
    ("words", "best"),
    [
        ("diesel germany 2026", "diesel-ipcc"),
        ("diesel", "diesel"),
        ("diesel UK", "diesel-gb"),
        ("electricity germany", "grid-de"),
        ("grid poland 2024", "grid-pl"),
        ("grid south africa", "grid-za-ember"),
        ("electricity New South Wales", "grid-au-nsw"),
        ("grid california", "grid-us-camx"),
        ("beijing", "grid-cn-beijing"),
        ("petrol uk", "petrol-gb"),
        ("natural gas gb", "natural-gas-gb"),
        ("lpg", "lpg"),
        ("R410A", "r410a"),
        ("SF6", "sf6"),
        ("wood", "wood"),
        ("heat gb", "heat-gb"),
        ("united kingdom", "grid-gb"),
        ("grid gb", "grid-gb"),
        ("power germany", "grid-de"),
        ("japan", "grid-jp"),
        ("heating oil", "heating-oil"),
    ],
)
def test_the_best_match(words: str, best: str) -> None:
    assert search(words)[0].id == best


def test_words_that_nothing_has_find_nothing() -> None:
    assert search("perpetuum mobile") == []
    assert search("") == []


def test_other_countries_come_last() -> None:
    found = [match.region for match in search("diesel germany")]
    assert found[0] == ""
    assert found.index("GB") > 0
