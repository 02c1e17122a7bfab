"""Rows of the factors that a facility counts with."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from services.api.models.answer import Answer


class FacilityFactorRow(Answer):
    """A version in force of a factor; masses in kg per unit of activity."""

    factor: str = Field(examples=["works-grid"])
    sources: list[str] = Field(
        examples=[["grid"]], description="sources that use it by name; none: none does"
    )
    unit: str = Field(examples=["kWh"], description="unit of activity")
    co2_kg: float | None = Field(
        examples=[0.2], description="`null`: only CO2e is published, or it is a series"
    )
    co2e_kg: float | None = Field(
        examples=[0.2], description="as published, else by AR6; `null`: it is a series"
    )
    valid_from: date | None = Field(examples=["2026-01-01"], description="`null`: always")
    valid_to: date | None = Field(
        examples=[None], description="exclusive; `null`: until further notice"
    )
    in_file: bool = Field(
        examples=[True], description="the facility's file states it; else every facility can use it"
    )
    citation: str = Field(examples=["supplier certificate 2026"])
