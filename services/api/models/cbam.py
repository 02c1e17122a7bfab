"""Bodies of reports for the carbon border adjustment mechanism."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer
from services.core.accounting.intensity.cbam import CbamGoods


class CbamPeriod(Answer):
    """What a production process emitted, and its goods carry with them, in a period."""

    time: datetime = Field(examples=["2026-06-30T22:00:00Z"], description="start of the period")
    until: datetime = Field(examples=["2026-09-30T22:00:00Z"], description="its end, exclusive")
    period: str = Field(examples=["2026-Q3"], description="a quarter, or the year")
    facility: str = Field(examples=["linz"])
    product: str = Field(examples=["billets"])
    product_name: str = Field(examples=["Steel billets"])
    goods: CbamGoods = Field(examples=["iron-and-steel"], description="category of goods")
    cn_code: str = Field(examples=["7207 11 14"])
    route: str | None = Field(examples=["electric arc furnace"], description="production route")
    policy: str = Field(examples=["eu-2025-2547"], description="rule in force as the period begins")
    policy_published: str = Field(examples=["2025-12-22"])
    gases: Literal["co2", "co2e"] = Field(
        examples=["co2"], description="what masses of this category of goods are of"
    )
    unit: str = Field(examples=["t"], description="unit of the activity level")
    production: float | None = Field(examples=[9250.0], description="activity level, in `unit`")
    direct_kg: float | None = Field(
        examples=[832500.0],
        description="attributed to the process: scope 1 and heat from outside, less what leaves;"
        " `null`: a part of it is not known",
    )
    indirect_kg: float | None = Field(
        examples=[1295000.0], description="attributed to the process: electricity used"
    )
    precursors_direct_kg: float | None = Field(
        examples=[370000.0], description="embedded in the precursors that were used"
    )
    precursors_indirect_kg: float | None = Field(examples=[0.0])
    indirect_counts: bool = Field(
        examples=[False],
        description="whether the policy has indirect emissions of these goods among embedded ones",
    )
    direct_kg_per_unit: float | None = Field(
        examples=[130.0], description="process and precursors, by unit of the activity level"
    )
    indirect_kg_per_unit: float | None = Field(examples=[140.0])
    embedded_kg_per_unit: float | None = Field(
        examples=[130.0],
        description="specific embedded emissions: direct, and indirect where they count",
    )
    precursors: str = Field(
        examples=["pig iron 185 t of 2000 + 0 kg (supplier's communication 2026)"],
        description="each with what was used of it, the embedded emissions of its unit (direct +"
        " indirect) and where these are from",
    )
    deductions: str = Field(
        examples=[""], description="what left the process, with the kg that each unit takes away"
    )
    coverage: float | None = Field(
        examples=[1.0], description="share of the period, so far, for which emissions are known"
    )
    production_coverage: float = Field(
        examples=[1.0], description="the same of production channels"
    )
    state: Literal["provisional", "final"] = Field(examples=["final"])
    allocation: str = Field(examples=["furnace 1 whole, grid 0.6 area"])
    code: str | None = Field(examples=[None], description="why there is no specific figure")
    reason: str | None = Field(examples=[None], description="the same in words")
