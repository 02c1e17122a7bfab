"""Embedded emissions of CBAM goods: attributed, of precursors, and by which policy."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from services.core.accounting.intensity.cbam import (
    CbamGoods,
    Embedded,
    embedded,
    is_co2_alone,
    policy_on,
)


@pytest.mark.vector
def test_complex_goods_carry_their_precursors() -> None:
    # 2023/956 Annex IV: (90 t + 40 t of 20 t at 2 t/t) by 100 t
    told = embedded(
        Fraction(90_000),
        Fraction(50_000),
        [Embedded(amount=Fraction(20), direct_kg=Fraction(2000), indirect_kg=Fraction(100))],
        [],
    )
    assert told.precursors_direct_kg == 40_000
    assert told.by_unit(Fraction(100), with_indirect=False) == 1300
    # and 50 t of electricity, 2 t of the precursor's
    assert told.by_unit(Fraction(100), with_indirect=True) == 1820


def test_what_leaves_the_process_is_taken_off_direct_emissions() -> None:
    steam = Embedded(amount=Fraction(30), direct_kg=Fraction(220))
    told = embedded(Fraction(90_000), Fraction(), [], [steam])
    assert told.direct_kg == 90_000 - 6600


def test_what_is_not_known_leaves_no_figure() -> None:
    unknown = Embedded(amount=None, direct_kg=Fraction(2000))
    told = embedded(Fraction(1), Fraction(1), [unknown], [])
    assert (told.direct_kg, told.precursors_direct_kg) == (1, None)
    assert told.by_unit(Fraction(1), with_indirect=False) is None
    assert embedded(Fraction(1), Fraction(1), [], [unknown]).direct_kg is None
    known = embedded(Fraction(1), None, [], [])
    assert known.by_unit(Fraction(1), with_indirect=False) == 1
    assert known.by_unit(Fraction(1), with_indirect=True) is None
    assert known.by_unit(Fraction(0), with_indirect=False) is None


@pytest.mark.parametrize(
    ("goods", "before", "after", "gases"),
    [
        ("cement", True, True, "co2"),
        ("fertilisers", True, True, "co2e"),
        ("iron-and-steel", True, False, "co2"),
        ("aluminium", True, False, "co2e"),
        ("hydrogen", True, False, "co2"),
    ],
)
def test_indirect_emissions_count_by_policy(
    goods: CbamGoods, before: bool, after: bool, gases: str
) -> None:
    assert policy_on(date(2025, 12, 31)).counts_indirect(goods) is before
    assert policy_on(date(2026, 1, 1)).counts_indirect(goods) is after
    assert ("co2" if is_co2_alone(goods) else "co2e") == gases


def test_a_policy_has_its_name_and_day() -> None:
    assert policy_on(date(2025, 10, 1)).name == "eu-2023-1773"
    assert policy_on(date(2026, 10, 1)).name == "eu-2025-2547"
