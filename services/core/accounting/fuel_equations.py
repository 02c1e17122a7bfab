"""Fuel equations: from an analysis of a fuel to its kg of gases per unit of fuel.

Tiers 1 to 3 of 40 CFR 98 subpart C. Each multiplies the fuel by what a laboratory found, so that
an analysis makes a version of an emission factor; a source may have it measured while it burns
(:mod:`.measured_fuel`). Eq. C-1 has no analysis: it is the built-in factor of the fuel with the
heat content of table C-1. C-1a and C-1b are of gas that is billed by its heat, C-2c is of the steam
that a solid fuel makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.core.accounting.builtin_factors import builtin_factors, versions_of
from services.core.accounting.factors import ConfigurationError, Factor
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.stack.numeric import Numeric
from services.core.accounting.units import convert

TABLE: Final = "us-40cfr98"
"""The publication of tables C-1 and C-2."""

CARBON_TO_CO2 = 44 / 12
SHORT_TON_T = 0.91
"""Tonnes in a short ton as eq. C-3 has it, which is 0.3 % more than there are."""
SCF_PER_KG_MOLE = 849.5
"""Molar volume at 68 degF and 14.7 psia, the conditions of tonne's scf (98.33(a)(3)(iii))."""
MMBTU_PER_THERM = 0.1
"""As eq. C-1a and C-8a have it."""
FARTHEST = 10
"""Times that a measured heat content may be the default or the default it: else the unit is wrong,
such as mmBtu a thousand scf."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a laboratory finds of a fuel."""

    name: str
    unit: str
    greatest: float


HEAT_CONTENT = Measured(name="heat_content", unit="mmBtu per unit of fuel, gross", greatest=100)
CARBON_SHARE = Measured(name="carbon_content", unit="kg of carbon per kg of fuel", greatest=1)
CARBON_IN_GALLON = Measured(name="carbon_content", unit="kg of carbon per gallon", greatest=10)
MOLECULAR_WEIGHT = Measured(name="molecular_weight", unit="kg per kg-mole", greatest=1000)
STEAM_RATIO = Measured(
    name="steam_ratio",
    unit="mmBtu of the boiler's maximum rated heat input per lb of its design rated steam output",
    greatest=0.01,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FuelEquation:
    """One equation with its source, what is measured for it, and the fuel's unit."""

    id: str
    citation: str
    measured: tuple[Measured, ...]
    #: of fuel; None: that of the fuel's heat content in table C-1
    unit: str | None
    #: kg of CO2 per unit of fuel, from what was measured; None: from the heat and table C-1
    co2_kg: Callable[[Mapping[str, Numeric]], Numeric] | None
    #: the equation that gives CH4 and N2O
    other_gases: str
    #: mmBtu per unit of what is metered, where that is no amount of fuel; None: the heat content
    heat_mmbtu: Callable[[Mapping[str, float]], float] | None = None
    #: the fuel that it may be used for, or table C-1's unit of such fuels; None: all
    fuels: str | None = None

    @property
    def takes(self) -> tuple[Measured, ...]:
        """All that it can take: a measured heat content goes before the default."""
        if self.heat_mmbtu is not None or HEAT_CONTENT in self.measured:
            return self.measured
        return (*self.measured, HEAT_CONTENT)


def _c_3(x: Mapping[str, Numeric]) -> Numeric:
    return CARBON_TO_CO2 * x["carbon_content"] * SHORT_TON_T * 1000


def _c_4(x: Mapping[str, Numeric]) -> Numeric:
    return CARBON_TO_CO2 * x["carbon_content"]


def _c_5(x: Mapping[str, Numeric]) -> Numeric:
    return CARBON_TO_CO2 * x["carbon_content"] * x["molecular_weight"] / SCF_PER_KG_MOLE


FUEL_EQUATIONS: Mapping[str, FuelEquation] = MappingProxyType(
    {
        equation.id: equation
        for equation in (
            FuelEquation(
                id="C-1a",
                citation="40 CFR 98.33(a)(1)(ii), eq. C-1a",
                measured=(),
                unit="therm",
                co2_kg=None,
                other_gases="C-8a",
                heat_mmbtu=lambda _: MMBTU_PER_THERM,
                fuels="natural-gas",
            ),
            FuelEquation(
                id="C-1b",
                citation="40 CFR 98.33(a)(1)(iii), eq. C-1b",
                measured=(),
                unit="mmBtu",
                co2_kg=None,
                other_gases="C-8b",
                heat_mmbtu=lambda _: 1.0,
                fuels="natural-gas",
            ),
            FuelEquation(
                id="C-2a",
                citation="40 CFR 98.33(a)(2)(i), eq. C-2a",
                measured=(HEAT_CONTENT,),
                unit=None,
                co2_kg=None,
                other_gases="C-9a",
            ),
            FuelEquation(
                id="C-2c",
                citation="40 CFR 98.33(a)(2)(iii), eq. C-2c",
                measured=(STEAM_RATIO,),
                unit="lb",
                co2_kg=None,
                other_gases="C-9b",
                heat_mmbtu=lambda x: x["steam_ratio"],
                fuels="short ton",
            ),
            FuelEquation(
                id="C-3",
                citation="40 CFR 98.33(a)(3)(i), eq. C-3",
                measured=(CARBON_SHARE,),
                unit="short ton",
                co2_kg=_c_3,
                other_gases="C-8",
            ),
            FuelEquation(
                id="C-4",
                citation="40 CFR 98.33(a)(3)(ii), eq. C-4",
                measured=(CARBON_IN_GALLON,),
                unit="gal",
                co2_kg=_c_4,
                other_gases="C-8",
            ),
            FuelEquation(
                id="C-5",
                citation="40 CFR 98.33(a)(3)(iii), eq. C-5",
                measured=(CARBON_SHARE, MOLECULAR_WEIGHT),
                unit="scf",
                co2_kg=_c_5,
                other_gases="C-8",
            ),
        )
    }
)
"""Equations by the name an analysis gives them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalysedFuel:
    """kg of gases per unit of fuel; ``derivation`` says by which equation and figures."""

    unit: str
    co2_kg: float
    co2_biogenic_kg: float
    ch4_kg: float
    n2o_kg: float
    derivation: str


def analysed_fuel(
    equation_id: str, measured: Mapping[str, float], *, fuel: str | None = None
) -> AnalysedFuel:
    """Return what a fuel emits per unit, by what was measured of it.

    ``fuel``: its built-in factor of tables C-1 and C-2, which CH4 and N2O come from, and the CO2 of
    C-2a; without it they are not counted. A fuel of biomass there gives CO2 from biomass.
    ``heat_content`` may be given to every equation: CH4 and N2O then follow it, not the default.

    :raises ConfigurationError: it cannot be computed; the message says what to change.
    """
    equation = FUEL_EQUATIONS.get(equation_id)
    if equation is None:
        raise ConfigurationError(
            f"no equation {equation_id!r} for an analysis; name one of {', '.join(FUEL_EQUATIONS)}"
            " (C-1 is the built-in factor of the fuel)"
        )
    _check_measured(equation, measured, has_fuel=fuel is not None)
    listed = None if fuel is None else _listed(fuel, equation)
    heat, stated = _heat_mmbtu(equation, listed, measured)
    unit = equation.unit or (listed and listed.heat_content and listed.heat_content.unit) or ""
    if equation.co2_kg is not None:
        carbon = float(equation.co2_kg(measured))
        is_biogenic = listed is not None and not listed.co2_kg and listed.co2_biogenic_kg > 0
        co2, biogenic = (0.0, carbon) if is_biogenic else (carbon, 0.0)
    elif listed is not None:
        co2, biogenic = heat * (listed.co2_kg or 0.0), heat * listed.co2_biogenic_kg
    else:
        raise ConfigurationError(
            f"{equation.id} takes the fuel's CO2 per mmBtu from table C-1: name the fuel"
        )
    findings = ", ".join(
        f"{finding.name} {measured[finding.name]:.10g}" for finding in equation.measured
    )
    by = f"{equation.citation} with {findings}" if findings else equation.citation
    others = (
        "CH4 and N2O not counted, no fuel of table C-2 is named"
        if listed is None
        else f"eq. {equation.other_gases} with {stated} {heat:.6g} mmBtu/{unit} of {listed.id}"
    )
    return AnalysedFuel(
        unit=unit,
        co2_kg=co2,
        co2_biogenic_kg=biogenic,
        ch4_kg=0.0 if listed is None else heat * listed.ch4_kg,
        n2o_kg=0.0 if listed is None else heat * listed.n2o_kg,
        derivation=f"{by}; {others}",
    )


def _check_measured(
    equation: FuelEquation, measured: Mapping[str, float], *, has_fuel: bool
) -> None:
    taken = {finding.name: finding for finding in equation.takes}
    for finding in equation.measured:
        if finding.name not in measured:
            raise ConfigurationError(f"{equation.id} needs {finding.name}, in {finding.unit}")
    for name, value in measured.items():
        if name not in taken or (not has_fuel and taken[name] not in equation.measured):
            raise ConfigurationError(f"{equation.id} would not use {name}: remove it")
        if not 0 < value <= taken[name].greatest:
            raise ConfigurationError(
                f"{name} is in {taken[name].unit}, above 0 and at most {taken[name].greatest:g} in"
                f" {equation.id}, not {value:g}"
            )


def _listed(fuel: str, equation: FuelEquation) -> Factor:
    """Return the fuel's line of tables C-1 and C-2."""
    listed = next((f for f in versions_of(fuel) if f.publication == TABLE), None)
    if listed is None or listed.heat_content is None:
        known = [
            name
            for name, (first, *_) in builtin_factors().items()
            if first.publication == TABLE and first.heat_content is not None
        ]
        raise ConfigurationError(
            f"{fuel!r} is no fuel of 40 CFR 98 table C-1 with a heat content"
            f"{did_you_mean(fuel, known)}; `tonne factors search` finds its name"
        )
    if equation.fuels not in {None, fuel, listed.heat_content.unit}:
        kind = {"short ton": "solid fuels"}.get(str(equation.fuels), equation.fuels)
        raise ConfigurationError(
            f"{equation.id} is for {kind}, and not for {fuel}, which is by"
            f" {listed.heat_content.unit} in table C-1: use another equation"
        )
    by_fuel = equation.unit is not None and equation.heat_mmbtu is None
    if by_fuel and listed.heat_content.unit != equation.unit:
        right = [
            e.id
            for e in FUEL_EQUATIONS.values()
            if e.unit == listed.heat_content.unit and e.heat_mmbtu is None
        ]
        raise ConfigurationError(
            f"{equation.id} is by {equation.unit}, and {fuel} is by {listed.heat_content.unit} in"
            f" table C-1: use {', '.join(['C-2a', *right])}"
        )
    return listed


def _heat_mmbtu(
    equation: FuelEquation, listed: Factor | None, measured: Mapping[str, float]
) -> tuple[float, str]:
    """Return the heat content in mmBtu per unit of what is metered, and whose it is."""
    if equation.heat_mmbtu is not None:
        return equation.heat_mmbtu(measured), "its"
    if listed is None or listed.heat_content is None:
        return 0.0, ""
    default = convert(listed.heat_content.mj, "MJ", "mmBtu")
    if HEAT_CONTENT.name not in measured:
        return default, "the default"
    value = measured[HEAT_CONTENT.name]
    if not default / FARTHEST < value < default * FARTHEST:
        raise ConfigurationError(
            f"heat_content {value:g} is far from the {default:.4g} mmBtu/{listed.heat_content.unit}"
            f" of {listed.id} in table C-1: check its unit"
        )
    return value, "the measured"
