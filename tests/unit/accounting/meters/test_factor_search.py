"""Words lead to the factor that is meant."""

from __future__ import annotations

import pytest

from services.core.accounting.builtin_factors import lines
from services.core.accounting.factor_search import search, unknown_words
from services.core.accounting.factor_search_words import ALSO, PLACES, USUAL


@pytest.mark.parametrize(
    ("words", "best"),
    [
        ("diesel germany 2026", "diesel-ipcc"),
        ("diesel", "diesel"),
        ("diesel UK", "diesel-gb"),
        ("diesel litre", "diesel-gb"),
        ("diesel per litre uk", "diesel-gb"),
        ("diesel generator", "diesel"),
        ("electricity germany", "grid-de"),
        ("strom deutschland", "grid-de"),
        ("Strom Österreich", "grid-at"),
        ("électricité France", "grid-fr"),
        ("electricidad españa", "grid-es"),
        ("elettricità italia", "grid-it"),
        ("power germany", "grid-de"),
        ("grid poland 2024", "grid-pl"),
        ("kilowatt hour electricity sweden", "grid-se"),
        ("european union electricity", "grid-eu27"),
        ("grid south africa", "grid-za-ember"),
        ("electricity New South Wales", "grid-au-nsw"),
        ("victoria electricity", "grid-au-vic"),
        ("residual mix australia", "grid-au-residual"),
        ("grid california", "grid-us-camx"),
        ("texas grid", "grid-us-erct"),
        ("new york city power", "grid-us-nycw"),
        ("florida electricity", "grid-us-frcc"),
        ("usa grid", "grid-us"),
        ("guangdong grid", "grid-cn-guangdong"),
        ("inner mongolia", "grid-cn-inner-mongolia"),
        ("beijing", "grid-cn-beijing"),
        ("grid china", "grid-cn"),
        ("taiwan electricity", "grid-tw"),
        ("ontario grid", "grid-ca-on"),
        ("british columbia electricity", "grid-ca-bc"),
        ("korea grid", "grid-kr"),
        ("india electricity", "grid-in"),
        ("japan", "grid-jp"),
        ("united kingdom", "grid-gb"),
        ("grid gb", "grid-gb"),
        ("electricity losses uk", "grid-gb-td"),
        ("natural gas uk 2026", "natural-gas-gb"),
        ("natural gas gb", "natural-gas-gb"),
        ("natural gas net kWh uk", "natural-gas-gb-kwh-net"),
        ("natural gas well to tank uk", "natural-gas-gb-wtt"),
        ("natural gas germany", "natural-gas-ipcc"),
        ("Erdgas Deutschland", "natural-gas-ipcc"),
        ("gaz naturel france", "natural-gas-ipcc"),
        ("boiler gas", "natural-gas"),
        ("alberta natural gas", "natural-gas-ca-ab"),
        ("petrol uk", "petrol-gb"),
        ("gasoline", "gasoline"),
        ("heating oil", "heating-oil"),
        ("Heizöl Deutschland", "diesel-ipcc"),
        ("lpg", "lpg"),
        ("lpg kg", "lpg-ipcc"),
        ("coal", "coal-bituminous"),
        ("brown coal", "coal-lignite"),
        ("coke oven gas", "coke-oven-gas"),
        ("kerosene", "kerosene"),
        ("jet fuel", "jet-kerosene"),
        ("R410A", "r410a"),
        ("R-410A", "r410a"),
        ("R 134a", "hfc-134a"),
        ("R-32", "hfc-32"),
        ("SF6", "sf6"),
        ("sulphur hexafluoride", "sf6"),
        ("district heat", "heat-gb"),
        ("Fernwärme", "heat-gb"),
        ("heat gb", "heat-gb"),
        ("steam", "steam-us"),
        ("hydrogen", "hydrogen"),
        ("Wasserstoff", "hydrogen"),
        ("wood", "wood"),
        ("wood pellets", "wood-pellets-gb"),
        ("Hackschnitzel", "wood-chips-gb"),
        ("biomethane", "biogas"),
        ("landfill gas", "landfill-gas"),
        ("municipal waste usa", "municipal-solid-waste"),
        ("wood germany", "wood-ipcc"),
        ("tyres", "tires"),
    ],
)
def test_the_best_match(words: str, best: str) -> None:
    assert search(words)[0].id == best


def test_words_that_nothing_has_find_nothing() -> None:
    assert search("perpetuum mobile") == []
    assert search("") == []


def test_a_word_that_no_factor_has_is_left_out_and_named() -> None:
    assert unknown_words("diesel perpetuum germany 2026 litre") == ["perpetuum"]
    assert search("diesel perpetuum germany")[0].id == "diesel-ipcc"


def test_other_countries_come_last() -> None:
    regions = [match.region for match in search("diesel germany")]
    assert regions[0] == ""
    assert regions.index("GB") > 0


def test_what_stands_in_for_a_country_says_so() -> None:
    first, *others = search("diesel germany 2026")
    assert first.note == (
        "a general figure of IPCC that stands in for Germany; none of Germany is built in"
    )
    british = next(match for match in others if match.region == "GB")
    assert british.note == "of GB, not of Germany"
    assert search("natural gas uk 2026")[0].note == ""
    ipcc = next(m for m in search("natural gas uk") if m.id == "natural-gas-ipcc")
    assert ipcc.note == "a general figure of IPCC that stands in for UK"
    assert search("texas grid")[0].note == "the subregion that most of Texas is in"
    assert search("grid germany 2026")[0].note == (
        "the figure of 2024 holds in 2026 until a newer one is there"
    )


def test_what_words_name_is_there() -> None:
    assert {*ALSO, *USUAL} <= set(lines())
    grids = {place.grid for place in PLACES.values() if place.grid}
    assert {f"grid-us-{grid}" for grid in grids} <= set(lines())
