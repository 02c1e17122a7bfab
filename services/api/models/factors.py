"""The body of ``/v1/factors``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class FactorVersion(Answer):
    """One version of a factor that every facility can use; masses in kg per unit of activity."""

    id: str = Field(examples=["grid-gb"])
    name: str = Field(
        examples=["Electricity, Great Britain, generation"], description="empty: imported"
    )
    region: str = Field(examples=["GB"], description="ISO 3166 code; empty: everywhere")
    unit: str = Field(examples=["kWh"], description="unit of activity")
    basis: Literal["none", "gross", "net", "location", "market"] = Field(examples=["location"])
    co2_kg: float | None = Field(
        examples=[0.12943],
        description="`null`: only CO2e is published, and counts as CO2 too, or it is a series",
    )
    ch4_kg: float = Field(examples=[0.0])
    n2o_kg: float = Field(examples=[0.0])
    gases: str = Field(examples=[""], description="kg of other gases, as `HFC-32=0.5 HFC-125=0.5`")
    co2_biogenic_kg: float = Field(examples=[0.0])
    co2e_kg: float | None = Field(
        examples=[0.13096], description="as published, else by AR6; `null`: it is a series"
    )
    fallback: str | None = Field(
        examples=[None],
        description="of a series of values by the hour, what holds for hours without one, in"
        " order; `null`: no series",
    )
    valid_from: date | None = Field(examples=["2026-01-01"], description="`null`: always")
    valid_to: date | None = Field(
        examples=[None], description="exclusive; `null`: until further notice"
    )
    known_from: datetime | None = Field(
        examples=["2026-06-11T00:00:00Z"], description="`null`: always"
    )
    known_to: datetime | None = Field(
        examples=[None], description="when another figure took its place; `null`: in force"
    )
    data_year: int | None = Field(examples=[2026])
    successor_expected: date | None = Field(
        examples=["2027-06-30"], description="when a newer figure is due; `null`: never"
    )
    origin: Literal["built-in", "imported"] = Field(examples=["built-in"])
    publisher: str = Field(examples=["DESNZ"], description="empty: imported")
    published: date | None = Field(examples=["2026-06-11"])
    licence: str = Field(examples=["Open Government Licence v3.0"])
    via: str = Field(
        examples=["themisiqco/themisiq"],
        description="who passed the figure on; empty: it was read in the publication",
    )
    release: str = Field(examples=["DESNZ 2026"])
    citation: str = Field(examples=["DESNZ, Greenhouse gas reporting: conversion factors 2026"])


class ValuesRecorded(Answer):
    """What became of values by the hour."""

    added: int = Field(examples=[24], description="values of hours that had none")
    revised: int = Field(examples=[0], description="values that took the place of another")
    superseded: int = Field(
        examples=[0], description="values that could be known before those that hold, kept beside"
    )
    unchanged: int = Field(examples=[0], description="values that were there already")
    requests: int = Field(
        examples=[1], description="spans of sources that are computed again because of them"
    )
