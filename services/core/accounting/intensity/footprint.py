"""Footprints of products for customers: figures by declared unit, PACT data model 3.0.

The PACT Technical Specifications 3.0 (WBCSD) name the fields; the PACT Methodology 3.0, 3.3, says
what each is of. All figures are kg of CO2e, or of carbon, by declared unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from services.core.accounting.intensity.ratio import unit_ratio
from services.core.accounting.units import UnitError

#: kg of CO2 by kg of carbon.
_CO2_OF_CARBON: Final = Fraction(44, 12)

DeclaredUnitName = Literal["kilogram", "kilowatt hour", "cubic meter", "piece"]

_UNITS: Final[dict[str, DeclaredUnitName]] = {
    "kg": "kilogram",
    "kWh": "kilowatt hour",
    "m3": "cubic meter",
    "piece": "piece",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredUnit:
    """The unit of a footprint, and how many of it one of the product's units is."""

    name: DeclaredUnitName
    ratio: Fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class FootprintFigures:
    """Figures of a footprint by declared unit."""

    excluding_uptake_kg: Fraction
    including_uptake_kg: Fraction
    fossil_kg: Fraction
    uptake_kg: Fraction


def declared_unit(unit: str) -> DeclaredUnit | None:
    """Return the declared unit of a product told in a unit; None: the data model has none."""
    for symbol, name in _UNITS.items():
        try:
            return DeclaredUnit(name=name, ratio=unit_ratio(unit, symbol))
        except UnitError:
            continue
    return None


def figures(
    *,
    co2e_kg: Fraction,
    co2_biogenic_kg: Fraction,
    precursors_kg: Fraction,
    biogenic_carbon_kg: Fraction,
    amount: Fraction,
) -> FootprintFigures:
    """Divide what was emitted for an amount, in declared units, by it.

    ``biogenic_carbon_kg``: in one declared unit of the product; the CO2 that grew into it is its
    uptake, and below zero. CO2 of biomass that was burnt is an emission as any other there.
    """
    fossil = (co2e_kg + precursors_kg) / amount
    excluding = fossil + co2_biogenic_kg / amount
    uptake = -biogenic_carbon_kg * _CO2_OF_CARBON
    return FootprintFigures(
        excluding_uptake_kg=excluding,
        including_uptake_kg=excluding + uptake,
        fossil_kg=fossil,
        uptake_kg=uptake,
    )
