from __future__ import annotations

import pytest

from services.core.accounting.activity import co2_per_unit
from services.core.accounting.builtin_factors import versions_of
from services.core.accounting.factors import ConfigurationError
from services.core.accounting.fuel_equations import FUEL_EQUATIONS, analysed_fuel


@pytest.mark.vector
@pytest.mark.parametrize(
    ("fuel", "unit", "amount", "co2_t"),
    [
        ("natural-gas", "scf", 1e6, 1e6 * 0.001026 * 53.06 * 1e-3),
        ("coal-bituminous", "short ton", 1000, 1000 * 24.93 * 93.28 * 1e-3),
    ],
)
def test_tier_1_is_the_built_in_factor(fuel: str, unit: str, amount: float, co2_t: float) -> None:
    """C-1: CO2 = 1e-3 x Fuel x default HHV x EF, and C-8 likewise."""
    (factor,) = versions_of(fuel)
    per_unit = co2_per_unit(factor, unit)
    assert per_unit.co2_kg * amount / 1000 == pytest.approx(co2_t, rel=1e-12)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("equation", "fuel", "measured", "unit", "co2_kg", "ch4_kg", "n2o_kg"),
    [
        # 24.1 x 93.28; C-9a with the measured heat content: 24.1 x 0.011, 24.1 x 0.0016
        (
            "C-2a",
            "coal-bituminous",
            {"heat_content": 24.1},
            "short ton",
            2248.048,
            0.2651,
            0.03856,
        ),
        ("C-2a", "natural-gas", {"heat_content": 0.00105}, "scf", 0.055713, 1.05e-6, 1.05e-7),
        # billed by its heat: 0.1 x 53.06 a therm, C-8a likewise; 53.06 a mmBtu, C-8b likewise
        ("C-1a", "natural-gas", {}, "therm", 5.306, 1e-4, 1e-5),
        ("C-1b", "natural-gas", {}, "mmBtu", 53.06, 1e-3, 1e-4),
        # steam: 250 mmBtu/h by 200 000 lb/h are 0.00125; x 93.28; C-9b x 0.011 and x 0.0016
        (
            "C-2c",
            "coal-bituminous",
            {"steam_ratio": 0.00125},
            "lb",
            0.1166,
            1.375e-5,
            2e-6,
        ),
        # municipal waste: 0.0013 x 90.7, x 0.032, x 0.0042
        (
            "C-2c",
            "municipal-solid-waste",
            {"steam_ratio": 0.0013},
            "lb",
            0.11791,
            4.16e-5,
            5.46e-6,
        ),
        # 44/12 x 0.72 x 0.91 x 1000; C-8 with the default 24.93 mmBtu a short ton
        (
            "C-3",
            "coal-bituminous",
            {"carbon_content": 0.72},
            "short ton",
            2402.4,
            0.27423,
            0.039888,
        ),
        # C-8 with a measured heat content where there is one
        (
            "C-3",
            "coal-bituminous",
            {"carbon_content": 0.72, "heat_content": 25.0},
            "short ton",
            2402.4,
            0.275,
            0.04,
        ),
        # 44/12 x 2.79; C-8 with 0.138 mmBtu a gallon
        ("C-4", "heating-oil", {"carbon_content": 2.79}, "gal", 10.23, 0.000414, 0.0000828),
        # methane: a mole of CO2 for each mole, 44 kg for each 849.5 scf
        (
            "C-5",
            "natural-gas",
            {"carbon_content": 0.75, "molecular_weight": 16},
            "scf",
            0.0517951736,
            1.026e-6,
            1.026e-7,
        ),
    ],
)
def test_an_analysis_of_a_fuel(
    equation: str,
    fuel: str,
    measured: dict[str, float],
    unit: str,
    co2_kg: float,
    ch4_kg: float,
    n2o_kg: float,
) -> None:
    got = analysed_fuel(equation, measured, fuel=fuel)
    assert got.unit == unit
    assert got.co2_kg == pytest.approx(co2_kg, rel=1e-9)
    assert got.ch4_kg == pytest.approx(ch4_kg, rel=1e-9)
    assert got.n2o_kg == pytest.approx(n2o_kg, rel=1e-9)
    assert got.co2_biogenic_kg == 0


@pytest.mark.vector
def test_heat_contents_of_parts_of_a_year_are_their_mean_by_fuel() -> None:
    """C-2b weighs each heat content by its fuel; each analysis over its own days is the same."""
    samples = [(24.1, 300.0), (25.3, 120.0), (23.6, 410.0)]
    mean = sum(heat * fuel for heat, fuel in samples) / sum(fuel for _, fuel in samples)
    year = mean * 93.28 * sum(fuel for _, fuel in samples)
    parts = sum(
        fuel * analysed_fuel("C-2a", {"heat_content": heat}, fuel="coal-bituminous").co2_kg
        for heat, fuel in samples
    )
    assert parts == pytest.approx(year, rel=1e-12)


def test_the_carbon_of_biomass_is_biogenic() -> None:
    by_heat = analysed_fuel("C-2a", {"heat_content": 17.0}, fuel="wood")
    by_carbon = analysed_fuel("C-3", {"carbon_content": 0.45}, fuel="wood")
    assert (by_heat.co2_kg, by_carbon.co2_kg) == (0, 0)
    assert by_heat.co2_biogenic_kg == pytest.approx(17.0 * 93.80)
    assert by_carbon.co2_biogenic_kg == pytest.approx(44 / 12 * 0.45 * 0.91 * 1000)
    assert by_heat.ch4_kg == pytest.approx(17.0 * 0.0072)


def test_a_fuel_of_no_table_has_carbon_alone() -> None:
    got = analysed_fuel("C-5", {"carbon_content": 0.6, "molecular_weight": 25})
    assert (got.ch4_kg, got.n2o_kg) == (0, 0)
    assert got.derivation.endswith("CH4 and N2O not counted, no fuel of table C-2 is named")


def test_the_derivation_names_equation_and_figures() -> None:
    got = analysed_fuel("C-3", {"carbon_content": 0.72}, fuel="coal-bituminous")
    assert got.derivation == (
        "40 CFR 98.33(a)(3)(i), eq. C-3 with carbon_content 0.72; eq. C-8 with the default 24.93"
        " mmBtu/short ton of coal-bituminous"
    )


@pytest.mark.parametrize(
    ("equation", "fuel", "measured", "reason"),
    [
        ("C-1", "natural-gas", {}, "C-1 is the built-in factor"),
        ("C-2a", None, {"heat_content": 1.0}, "name the fuel"),
        ("C-2a", "coal-bituminous", {}, "C-2a needs heat_content, in mmBtu"),
        ("C-2a", "coal-bitumous", {"heat_content": 24}, "coal-bituminous"),
        ("C-2a", "grid-gb", {"heat_content": 24}, "no fuel of 40 CFR 98 table C-1"),
        ("C-2a", "natural-gas", {"heat_content": 1.05}, "0.001026 mmBtu/scf of natural-gas"),
        ("C-3", None, {"carbon_content": 72}, "at most 1 in C-3, not 72"),
        ("C-3", "natural-gas", {"carbon_content": 0.7}, "use C-2a, C-5"),
        ("C-3", None, {"carbon_content": 0.7, "heat_content": 24}, "would not use heat_content"),
        ("C-4", None, {"carbon_content": 2.8, "molecular_weight": 200}, "molecular_weight"),
        ("C-5", None, {"carbon_content": 0.7}, "C-5 needs molecular_weight"),
        ("C-1a", None, {}, "name the fuel"),
        ("C-1a", "coal-bituminous", {}, "C-1a is for natural-gas, and not for coal-bituminous"),
        ("C-1b", "natural-gas", {"heat_content": 0.001}, "C-1b would not use heat_content"),
        ("C-2c", "natural-gas", {"steam_ratio": 0.0012}, "C-2c is for solid fuels"),
        ("C-2c", "coal-bituminous", {}, "C-2c needs steam_ratio, in mmBtu of the boiler's"),
        ("C-2c", "coal-bituminous", {"steam_ratio": 1200}, "at most 0.01 in C-2c, not 1200"),
    ],
)
def test_what_cannot_be_computed_says_what_to_change(
    equation: str, fuel: str | None, measured: dict[str, float], reason: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        analysed_fuel(equation, measured, fuel=fuel)
    assert reason in str(refused.value)


def test_every_equation_has_a_citation() -> None:
    assert list(FUEL_EQUATIONS) == ["C-1a", "C-1b", "C-2a", "C-2c", "C-3", "C-4", "C-5"]
    assert all(f"eq. {name}" in each.citation for name, each in FUEL_EQUATIONS.items())
