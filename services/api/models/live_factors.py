"""The part of live totals about factors by the hour: what the running totals counted by."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.api.models.answer import Answer
from services.core.timeline.windows import ToDate


class LevelShares(Answer):
    """What the CO2 of sources with factors by the hour counted by; shares add up to 1."""

    co2_kg: float = Field(examples=[285.0], description="of the window's hours so far")
    hour: float | None = Field(
        examples=[0.92], description="by the value of its hour; `null`: there is no mass"
    )
    month: float | None = Field(examples=[0.08], description="by the mean of the zone's month")
    year: float | None = Field(examples=[0.0], description="by the mean of the zone's year")
    other: float | None = Field(
        examples=[0.0], description="by a factor that the series falls back to"
    )
    figures: float | None = Field(
        examples=[0.0], description="before or after the factor was a series"
    )


class SourceLevels(Answer):
    """The same of one source."""

    source: str = Field(examples=["grid"])
    factor: str = Field(examples=["grid-at"], description="the series")
    totals: dict[ToDate, LevelShares]


class LiveFactors(Answer):
    """What running totals counted by, of the sources with factors by the hour."""

    as_of: datetime = Field(description="when it was read: at most once a minute")
    totals: dict[ToDate, LevelShares] = Field(description="of those of the sources that count")
    sources: list[SourceLevels]
