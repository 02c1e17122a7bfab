"""Emissions by unit of production: both sums exact, one division, or a reason."""

from __future__ import annotations

from fractions import Fraction
from math import hypot

import pytest

from services.core.accounting.intensity.ratio import (
    Amount,
    SharedMass,
    intensity,
    unit_ratio,
)
from services.core.accounting.uncertainty import Component
from services.core.accounting.units import UnitError

KG = 10**9
UNIT = 10**9
ONE = Fraction(1)


def mass(kg: float, share: Fraction = ONE, *components: Component) -> SharedMass:
    return SharedMass(masses_ug=(round(kg * KG),), share=share, components=components or None)


def amount(units: float, per_unit: Fraction = ONE, *meters: Component) -> Amount:
    return Amount(n=round(units * UNIT), per_unit=per_unit, meters=meters)


def test_a_ratio_is_of_sums() -> None:
    # 200 kg wholly, 60 % of 50 kg, by 4 t that are counted in kg
    told = intensity([mass(200), mass(50, Fraction(3, 5))], [amount(4000, Fraction(1, 1000))])
    assert told.per_unit_kg(0) == 57.5
    assert told.amount_n == 4 * UNIT
    assert told.code is None


def test_a_third_of_a_third_is_exact() -> None:
    # in floats 3 x (0.1 / 3) is not 0.1
    told = intensity([mass(0.1, Fraction(1, 3))] * 3, [amount(1)])
    assert told.per_unit_kg(0) == 0.1
    assert told.masses_ug == (Fraction(KG, 10),)


def test_sums_beyond_a_float_are_exact() -> None:
    # 1e17 ug and 1 ug: a float would lose the one
    large = SharedMass(masses_ug=(10**17 + 1,), share=ONE)
    told = intensity([large, SharedMass(masses_ug=(-(10**17),), share=ONE)], [amount(1)])
    assert told.masses_ug == (Fraction(1),)
    assert told.per_unit_kg(0) == 1e-9


@pytest.mark.parametrize(
    ("masses", "amounts", "code"),
    [
        ([], [amount(1)], "no-sources"),
        ([mass(1)], [Amount(n=None, per_unit=ONE)], "production-unknown"),
        ([mass(1)], [amount(1), Amount(n=None, per_unit=ONE)], "production-unknown"),
        ([mass(1)], [amount(0)], "no-production"),
        ([mass(0)], [amount(0)], "no-production"),
        ([mass(1)], [amount(2), amount(-3)], "negative-production"),
        ([mass(1), SharedMass(masses_ug=None, share=ONE)], [amount(1)], "emissions-unknown"),
    ],
)
def test_there_is_no_figure_without_production(
    masses: list[SharedMass], amounts: list[Amount], code: str
) -> None:
    told = intensity(masses, amounts)
    assert (told.code, told.per_unit_kg(0), told.band_per_unit) == (code, None, None)


def test_the_band_has_the_productions_meter_too() -> None:
    # 2 % of the meter, 3 % of the factor, 1 % of the scale: independent of each other
    told = intensity(
        [mass(100, ONE, Component(id="meter", percent=2), Component(id="factor", percent=3))],
        [amount(4, ONE, Component(id="scale", percent=1))],
    )
    assert told.band_per_unit is not None
    assert told.band_per_unit.half_kg == pytest.approx(25 * hypot(2, 3, 1) / 100)


def test_a_meter_that_counts_both_is_wrong_in_neither() -> None:
    # kg by kWh of what one meter counts: only the factor is uncertain
    told = intensity(
        [mass(50, ONE, Component(id="channel 1", percent=2), Component(id="factor", percent=3))],
        [amount(100, ONE, Component(id="channel 1", percent=2))],
    )
    assert told.band_per_unit is not None
    assert told.band_per_unit.half_kg == pytest.approx(0.5 * 0.03)


def test_two_scales_enter_by_their_part() -> None:
    # 3 t by a scale of 2 %, 1 t by one of 4 %: 1.5 % and 1 % of the sum
    told = intensity(
        [mass(40, ONE, Component(id="meter", percent=0))],
        [
            amount(3, ONE, Component(id="a", percent=2)),
            amount(1, ONE, Component(id="b", percent=4)),
        ],
    )
    assert told.band_per_unit is not None
    assert told.band_per_unit.half_kg == pytest.approx(10 * hypot(1.5, 1) / 100)


def test_a_scale_that_states_nothing_leaves_no_band() -> None:
    told = intensity([mass(1, ONE, Component(id="meter", percent=2))], [amount(1)])
    assert told.band_per_unit is None
    assert told.per_unit_kg(0) == 1


def test_units_are_exact_ratios() -> None:
    assert unit_ratio("kg", "t") == Fraction(1, 1000)
    assert unit_ratio("lb", "kg") == Fraction("0.45359237")
    assert unit_ratio("pieces", "piece") == 1
    with pytest.raises(UnitError, match="kWh"):
        unit_ratio("kWh", "t")
    with pytest.raises(UnitError, match="no units of an amount"):
        unit_ratio("degC", "K")
