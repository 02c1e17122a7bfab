"""Bodies of answers about emissions by unit of production."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer
from services.core.accounting.intensity.ratio import Code


class ProductIntensity(Answer):
    """What a product's emissions in an interval come to by unit of it."""

    time: datetime = Field(examples=["2026-11-23T17:00:00Z"], description="start of the interval")
    until: datetime = Field(examples=["2026-11-23T18:00:00Z"], description="its end, exclusive")
    facility: str = Field(examples=["linz"])
    product: str = Field(examples=["billets"])
    product_name: str = Field(examples=["Steel billets"])
    batch: str | None = Field(examples=[None], description="of `interval=batch`: which one")
    unit: str = Field(examples=["t"], description="unit of production")
    production: float | None = Field(
        examples=[42.5], description="in `unit`; `null`: nothing is known of a production channel"
    )
    co2_kg: float | None = Field(
        examples=[3825.0],
        description="what is the product's of its sources; `null`: nothing is known of any",
    )
    co2e_kg: float | None = Field(examples=[3870.5])
    co2_market_kg: float | None = Field(examples=[3825.0])
    co2_biogenic_kg: float | None = Field(examples=[0.0])
    co2_kg_per_unit: float | None = Field(
        examples=[90.0],
        description="`co2_kg` by `production`, both summed exactly and divided once; `null`: there"
        " is no such figure, `code` tells why",
    )
    co2e_kg_per_unit: float | None = Field(examples=[91.0705882])
    co2_market_kg_per_unit: float | None = Field(examples=[90.0])
    co2_biogenic_kg_per_unit: float | None = Field(examples=[0.0])
    co2_low_kg_per_unit: float | None = Field(
        examples=[86.4],
        description="ends of the 95 % interval of `co2_kg_per_unit`, of meters, factors and the"
        " production's meters; `null`: one of them does not state its uncertainty",
    )
    co2_high_kg_per_unit: float | None = Field(examples=[93.6])
    coverage: float | None = Field(
        examples=[1.0],
        description="share of the interval, so far, for which emissions are known, over the"
        " product's sources; `null`: it has none",
    )
    production_coverage: float = Field(
        examples=[1.0], description="the same of its production channels"
    )
    state: Literal["provisional", "final"] = Field(
        examples=["final"], description="final: all hours of sources and channels are"
    )
    allocation: str = Field(
        examples=["furnace 1 whole, grid 0.6 area"],
        description="sources, the share of each that is the product's, and the method",
    )
    code: Code | None = Field(examples=[None], description="why there is no figure by unit")
    reason: str | None = Field(examples=[None], description="the same in words")
