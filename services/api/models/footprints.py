"""Footprints of products, in the form of the PACT data model 3.0 (WBCSD)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from services.core.accounting.intensity.footprint import DeclaredUnitName

_Urn = Annotated[str, StringConstraints(pattern=r"^[uU][rR][nN]:")]
_Decimal = Annotated[str, StringConstraints(pattern=r"^[+-]?\d+(\.\d+)?$")]
_Text = Annotated[str, StringConstraints(min_length=1)]


class _Pact(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class EmissionFactorSource(_Pact):
    """A factor that a footprint rests on."""

    name: _Text = Field(examples=["grid-gb: DESNZ 2026"])
    version: _Text = Field(examples=["2026"])


class CarbonFootprint(_Pact):
    """The figures, each by declared unit."""

    declared_unit_of_measurement: DeclaredUnitName = Field(examples=["kilogram"])
    declared_unit_amount: _Decimal = Field(examples=["1"])
    product_mass_per_declared_unit: _Decimal = Field(
        examples=["1"], description="kg, without packaging; 0 for energy"
    )
    reference_period_start: datetime = Field(examples=["2025-12-31T23:00:00Z"])
    reference_period_end: datetime = Field(
        examples=["2026-12-31T23:00:00Z"], description="exclusive"
    )
    geography_country: str | None = Field(None, examples=["AT"])
    geography_country_subdivision: str | None = Field(None, examples=["AT-4"])
    boundary_processes_description: str | None = Field(None)
    pcf_excluding_biogenic_uptake: _Decimal = Field(
        examples=["0.0645"], description="kg CO2e: fossil emissions and CO2 of biomass"
    )
    pcf_including_biogenic_uptake: _Decimal = Field(
        examples=["0.0645"], description="the same and what grew into the product, below zero"
    )
    fossil_ghg_emissions: _Decimal = Field(
        examples=["0.0645"],
        description="kg CO2e: all but CO2 of biomass; CH4 and N2O of biomass are in it",
    )
    fossil_carbon_content: _Decimal = Field(examples=["0.0008"], description="kg of carbon")
    biogenic_carbon_content: _Decimal = Field(examples=["0"], description="kg of carbon")
    biogenic_co2_uptake: _Decimal = Field(
        alias="biogenicCO2Uptake", examples=["0"], description="kg CO2, not above zero"
    )
    packaging_emissions_included: bool = Field(examples=[False])
    ipcc_characterization_factors: list[str] = Field(examples=[["AR6"]])
    cross_sectoral_standards: list[str] = Field(examples=[["ISO14067", "PACT-3.0"]])
    exempted_emissions_percent: _Decimal = Field(examples=["0"])
    exempted_emissions_description: str = Field(examples=[""])
    allocation_rules_description: str = Field(examples=["furnace 1 whole, grid 0.6 area"])
    secondary_emission_factor_sources: list[EmissionFactorSource] | None = Field(None)
    primary_data_share: _Decimal | None = Field(None, examples=["80"])


class ProductFootprint(_Pact):
    """The footprint of a product over a reference period."""

    id: str = Field(
        examples=["f4b1225a-bd44-5c8e-861d-079e4e1dfd69"],
        description="a UUID of all that it says but `created`: what is the same has the same",
    )
    spec_version: str = Field(examples=["3.0.0"])
    created: datetime = Field(examples=["2027-01-11T09:00:00Z"])
    status: Literal["Active"] = Field(examples=["Active"])
    company_name: _Text = Field(examples=["Example Steel Ltd"])
    company_ids: list[_Urn] = Field(examples=[["urn:company:example.com:steel"]])
    product_description: str = Field(examples=["Billets, 150 mm, of scrap"])
    product_ids: list[_Urn] = Field(examples=[["urn:product:example.com:billet-150"]])
    product_classifications: list[_Urn] | None = Field(None)
    product_name_company: _Text = Field(examples=["Steel billets"])
    comment: str = Field(
        examples=["facility linz; emissions known for 99.8 % of the time"],
        description="what of the period is known, and of which state",
    )
    pcf: CarbonFootprint


class MissingFootprint(BaseModel):
    """A product whose footprint cannot be told."""

    model_config = ConfigDict(extra="forbid")

    facility: str = Field(examples=["linz"])
    product: str = Field(examples=["billets"])
    code: str = Field(examples=["no-production"])
    reason: str = Field(examples=["nothing was produced: emissions cannot be divided by it"])
    coverage: float | None = Field(
        None, examples=[0.62], description="share of the period for which its emissions are known"
    )
    production_coverage: float | None = Field(
        None, examples=[1.0], description="the same of what was produced"
    )


class Footprints(BaseModel):
    """Footprints of products, and those that cannot be told."""

    model_config = ConfigDict(extra="forbid")

    data: list[ProductFootprint]
    missing: list[MissingFootprint]
