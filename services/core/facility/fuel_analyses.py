"""What a facility file may say of an analysis of a fuel, and the factor that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.fuel_equations import FUEL_EQUATIONS, analysed_fuel
from services.core.facility.fields import Part, PositiveFigure, Slug

_COMPUTED = ("unit", "co2_kg", "co2_biogenic_kg", "ch4_kg", "n2o_kg")


if TYPE_CHECKING:
    EquationName = str
else:
    #: A type whose values are the names, for schemas and their error messages.
    EquationName = Literal[tuple(FUEL_EQUATIONS)]


class FuelAnalysis(Part):
    """What a laboratory found of a fuel, for an equation of 40 CFR 98 subpart C."""

    equation: EquationName = Field(
        examples=["C-3"],
        description=(
            "C-1a, C-1b: natural gas that is billed in therms or mmBtu. C-2a: by measured heat"
            " content. C-2c: by the steam that a solid fuel makes. C-3, C-4, C-5: by the carbon of"
            " a solid, liquid or gaseous fuel."
        ),
    )
    fuel: Slug | None = Field(
        None,
        description=(
            "Built-in factor of 40 CFR 98 tables C-1 and C-2, such as coal-bituminous, for CH4 and"
            " N2O and the CO2 of C-2a. Default: CH4 and N2O are not counted."
        ),
    )
    heat_content: PositiveFigure | None = Field(
        None,
        description=(
            "mmBtu, gross, per unit of fuel: short ton, gal or scf. Default, but for C-2a: that of"
            " table C-1, for CH4 and N2O. C-1a, C-1b and C-2c have none."
        ),
    )
    carbon_content: PositiveFigure | None = Field(
        None, description="kg of carbon per kg of fuel (C-3, C-5) or per gallon (C-4)."
    )
    molecular_weight: PositiveFigure | None = Field(
        None, description="C-5: kg per kg-mole of the gas."
    )
    steam_ratio: PositiveFigure | None = Field(
        None,
        description=(
            "C-2c: mmBtu of the boiler's maximum rated heat input per lb of its design rated steam"
            " output, such as 0.0012."
        ),
    )


_MEASURED = tuple(set(FuelAnalysis.model_fields) - {"equation", "fuel"})


def with_analysed_figures(data: Any) -> Any:
    """Return a factor's entry with the figures that its analysis gives, named in the citation.

    :raises ValueError: it states a figure beside its analysis, or they cannot be computed.
    """
    if not isinstance(data, dict) or data.get("analysis") is None:
        return data
    try:
        analysis = FuelAnalysis.model_validate(data["analysis"])
    except ValidationError:
        # said by the field itself, with its place; the rest is not missed
        return {"unit": "kg", "co2_kg": 0, **data}
    for name in (*_COMPUTED, "co2e_kg"):
        if data.get(name) is not None:
            raise ValueError(f"{name} follows from the analysis: remove it")
    measured = {name: value for name in _MEASURED if (value := getattr(analysis, name)) is not None}
    try:
        analysed = analysed_fuel(analysis.equation, measured, fuel=analysis.fuel)
    except ConfigurationError as error:
        raise ValueError(f"analysis: {error}") from error
    figures = {name: getattr(analysed, name) for name in _COMPUTED}
    citation = data.get("citation")
    if isinstance(citation, str) and citation:
        figures["citation"] = f"{citation}; {analysed.derivation}"
    return {**data, **figures}
