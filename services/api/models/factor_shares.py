"""The body of ``/v1/factors/shares``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class FactorShare(Answer):
    """What of a source's hours counted by a value of a series, by a mean, or by what else."""

    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["grid"])
    role: Literal["factor", "market_factor"] = Field(examples=["factor"])
    factor: str = Field(examples=["grid-at"], description="the series")
    used: str = Field(
        examples=["hour"],
        description="`hour`: the hour's value; `month`, `year`: a mean; `figures`: a version that"
        " is no series; `none`: nothing; else the factor that it falls back to",
    )
    hours: int = Field(examples=[700], description="hours of which anything is known")
    activity: float = Field(examples=[120_000.0])
    activity_unit: str = Field(examples=["kWh"])
    share: float | None = Field(
        examples=[0.97], description="of the activity of all these hours; `null`: there was none"
    )
    co2_kg: float = Field(
        examples=[25_400.0], description="of these hours; of `market_factor`, market-based"
    )
    co2_share: float | None = Field(
        examples=[0.96], description="of `co2_kg` of all these hours; `null`: there was none"
    )
