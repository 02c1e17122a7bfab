"""What a facility file, and a row of an imported CSV, may say of an emission factor."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from services.core.accounting.factor_tables import read_gases
from services.core.accounting.gwp import potentials
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.units import MONEY, UnitError, quantity_of
from services.core.facility.fields import (
    Day,
    FactorKg,
    GasKg,
    Part,
    Percent,
    PositiveFigure,
    Slug,
    Within,
)
from services.core.facility.fuel_analyses import FuelAnalysis, with_analysed_figures


def _gases(value: object) -> object:
    """Read `HFC-32=0.5 HFC-125=0.5` too, as a cell of a table has it; keep it in a fixed order."""
    if isinstance(value, str):
        return read_gases(value)
    if isinstance(value, dict):
        for gas in value:
            if gas not in potentials():
                meant = did_you_mean(str(gas), potentials())
                raise ValueError(f"no global warming potential of {gas!r} is known{meant}")
        return tuple(value.items())
    return value


#: Other greenhouse gases by name, in kg per unit; in a file a mapping.
Gases = Annotated[
    tuple[tuple[str, GasKg], ...],
    BeforeValidator(_gases, json_schema_input_type=dict[str, float] | str),
]


#: What a series does not state.
_FIGURES = (
    "co2_kg",
    "ch4_kg",
    "n2o_kg",
    "co2_biogenic_kg",
    "co2e_kg",
    "gases",
    "heat_content",
    "heat_unit",
    "density",
    "analysis",
)

#: Stands where a series has no mass; nothing is computed from it.
_NO_FIGURE = 0.0


def _fallback(value: object) -> object:
    """Read `month year grid-gb` too, as a cell of a table has it."""
    return tuple(value.split()) if isinstance(value, str) else value


Fallback = Annotated[
    tuple[Slug, ...],
    BeforeValidator(_fallback, json_schema_input_type=list[str] | str),
]


class Factor(Part):
    """One version of an emission factor: masses per unit of activity, for a span of days."""

    model_config = ConfigDict(
        json_schema_extra={
            "required": ["id", "citation"],
            "anyOf": [
                {"required": ["unit", "co2_kg"]},
                {"required": ["analysis"]},
                {"required": ["unit", "kind"]},
            ],
        }
    )

    id: Slug = Field(
        examples=["works-grid"],
        description="Name of the factor. Several entries with one id are its versions.",
    )
    kind: Literal["series"] | None = Field(
        None,
        description=(
            "series: it has values by the hour, which are imported or sent, and no masses here."
        ),
    )
    fallback: Fallback | None = Field(
        None,
        examples=[["month", "year", "grid-gb"]],
        description=(
            "Of a series, what holds for hours without a value, in order: month and year, the mean"
            " of its values, or the name of a factor that is no series. Default: such hours are"
            " unknown."
        ),
    )
    analysis: FuelAnalysis | None = Field(
        None,
        exclude=True,
        description=(
            "Analysis of a fuel that unit and masses are computed from; neither is then stated."
        ),
    )
    unit: str = Field(
        examples=["kWh"],
        description="Unit of activity that the masses are per. Of an analysis, its equation's.",
    )
    co2_kg: FactorKg = Field(
        examples=[0.25],
        description=(
            "kg of CO2 per unit; 0 for a fuel of biomass alone, see co2_biogenic_kg. Of an"
            " analysis, computed; of a series, not stated."
        ),
    )
    ch4_kg: GasKg = Field(0.0, description="kg of CH4 per unit.")
    n2o_kg: GasKg = Field(0.0, description="kg of N2O per unit.")
    co2_biogenic_kg: GasKg = Field(
        0.0,
        description=(
            "kg of CO2 from biomass per unit: a total of its own, in none of the others. A fuel of"
            " both, such as diesel with 7 % biodiesel, has both masses of CO2."
        ),
    )
    co2e_kg: FactorKg | None = Field(
        None,
        description=(
            "kg of CO2e per unit as published. Default: from the gases and the set of global "
            "warming potentials."
        ),
    )
    ch4_origin: Literal["fossil", "non-fossil"] = Field(
        "non-fossil", description="Origin of the methane; it decides its global warming potential."
    )
    basis: Literal["none", "gross", "net", "location", "market"] = Field(
        "none",
        description="gross or net: of a fuel by its energy. location or market: of electricity.",
    )
    valid_from: Day | None = Field(
        None, description="First day, in the facility's time zone. Default: always."
    )
    valid_to: Day | None = Field(
        None, description="First day on which it no longer holds. Default: until further notice."
    )
    citation: Annotated[str, StringConstraints(min_length=1)] = Field(
        examples=["bill of the supplier, 2026"],
        description="Where the figure is from: publication, certificate, bill.",
    )
    gases: Gases = Field(
        (),
        description=(
            "kg of each other greenhouse gas per unit, such as {HFC-32: 0.5, HFC-125: 0.5}; its"
            " CO2e follows from the set of potentials."
        ),
    )
    heat_content: PositiveFigure | None = Field(
        None,
        description=(
            "MJ in one heat_unit of fuel, on the factor's basis: leads from mass or volume to a"
            " factor by energy. Default: the source's calorific_value has to."
        ),
    )
    heat_unit: str | None = Field(
        None, description="Unit of fuel that heat_content is in, such as kg, L or m3."
    )
    density: PositiveFigure | None = Field(
        None,
        description=(
            "kg per m3 of the fuel as it is metered: leads from volume to mass. That of a source"
            " goes before it."
        ),
    )
    uncertainty: Percent | None = Field(
        None, description="Percent of the figure, half the 95 % interval. Default: not known."
    )
    data_year: Annotated[int, Within(lowest=1900, highest=2200)] | None = Field(
        None,
        description="Year that the figure describes; of a factor by money, that of its prices.",
    )
    release: str = Field("", description="Publication that it stands in.")
    successor_expected: Day | None = Field(
        None,
        description=(
            "Day by which a newer figure is expected: from then on totals say that it is stale."
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _masses_follow_from_an_analysis(cls, data: Any) -> Any:
        """Write out what the analysis gives: a factor is kept as its figures and citation."""
        return with_analysed_figures(data)

    @model_validator(mode="before")
    @classmethod
    def _a_series_has_no_figures(cls, data: Any) -> Any:
        """Let a series state no mass: an hour's value is what it has."""
        if not isinstance(data, dict):
            return data
        if data.get("kind") != "series":
            if data.get("fallback"):
                raise ValueError(
                    "fallback belongs to a factor by the hour: add kind: series, or remove it"
                )
            return data
        stated = [name for name in _FIGURES if data.get(name)]
        if stated:
            raise ValueError(
                f"{stated[0]} is no key of a series: its values by the hour are imported or sent"
            )
        return {**data, "co2_kg": _NO_FIGURE, "fallback": data.get("fallback") or ()}

    @model_validator(mode="after")
    def _ends_after_start(self) -> Factor:
        if self.valid_to and self.valid_from and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from; it is exclusive")
        return self

    @model_validator(mode="after")
    def _properties_fit(self) -> Factor:
        if (self.heat_content is None) != (self.heat_unit is None):
            raise ValueError("heat_content and heat_unit belong together: MJ in one heat_unit")
        try:
            quantities = [quantity_of(u) for u in (self.unit, self.heat_unit) if u is not None]
        except UnitError as error:
            if self.heat_unit is not None and self.heat_unit in str(error):
                raise ValueError(f"heat_unit: {error}") from None
            return self  # said where the unit stands
        if quantities[0] == MONEY and self.data_year is None:
            raise ValueError(
                f"a factor by money holds for prices of one year: add data_year, for example"
                f" data_year: 2022 for {self.unit} of 2022"
            )
        if self.heat_unit is not None:
            if quantities[1] not in {"mass", "volume"}:
                raise ValueError(
                    f"heat_unit is a unit of mass or volume, and {self.heat_unit} is one of"
                    f" {quantities[1]}"
                )
            if quantities[0] != "energy":
                raise ValueError(
                    f"heat_content belongs to a factor by energy, and this one is by {self.unit}:"
                    " remove it"
                )
            if self.basis not in {"gross", "net"}:
                raise ValueError(
                    "heat_content is on gross or net calorific value: say which, basis: gross or"
                    " basis: net"
                )
        if self.density is not None and not {"mass", "volume"} & set(quantities):
            raise ValueError(
                "density leads between volume and mass, and neither unit nor heat_unit is one of"
                " them: remove it"
            )
        return self
