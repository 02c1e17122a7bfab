"""Bodies of answers about what a running period is expected to come to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class Forecast(Answer):
    """What a running day, month or year is expected to come to."""

    time: datetime = Field(examples=["2026-11-23T18:00:00Z"], description="when it is expected so")
    organisation: str | None = Field(
        examples=["group"], description="whose facilities are added up; `null`: one facility"
    )
    facility: str = Field(
        examples=["linz"], description="facility, or, added up, all of them with blanks between"
    )
    scope: int | None = Field(examples=[1], description="`null`: all scopes, as in live totals")
    figure: Literal["co2", "co2e", "market"] = Field(
        examples=["co2"], description="market: market-based CO2"
    )
    horizon: Literal["day", "month", "year"] = Field(
        examples=["month"],
        description="the calendar period that runs, by each facility's own time zone",
    )
    begins: datetime = Field(examples=["2026-10-31T23:00:00Z"])
    ends: datetime = Field(examples=["2026-11-30T23:00:00Z"])
    known_kg: float | None = Field(
        examples=[4512000.0],
        description="what is known of the period so far: no forecast; `null`: nothing is",
    )
    known_share: float | None = Field(
        examples=[0.998],
        description="share of the time so far that is known, of the sources that are forecast; what"
        " is missing is neither in `known_kg` nor in `rest_kg`",
    )
    silent_sources: str = Field(
        examples=[""],
        description="active sources of which nothing is known in the newest 7 days; `rest_kg`"
        " leaves them out",
    )
    rest_kg: float | None = Field(
        examples=[1371000.0],
        description="forecast of the time that is left; `null`: there is none, see `reason`",
    )
    total_kg: float | None = Field(examples=[5883000.0], description="`known_kg` and `rest_kg`")
    total_low_kg: float | None = Field(
        examples=[5641000.0],
        description="ends of the forecast's interval: it errs as past forecasts of the same length"
        " did; uncertainties of meters and factors are not in it; of an organisation the ends of"
        " its facilities are added up, as if all erred the same way",
    )
    total_high_kg: float | None = Field(examples=[6125000.0])
    level: float = Field(
        examples=[0.9], description="share of such intervals that ought to hold the truth"
    )
    method: str | None = Field(
        examples=["seasonal-mean"],
        description="what erred least in the past of those that could be tried: seasonal-naive: the"
        " newest week again; seasonal-mean: the mean of the newest four; seasonal-mean-level: that"
        " at the level of the newest 24 hours; year-before: weeks 51 to 53 before;"
        " year-before-trend: that, times the newest 28 days over the same a year before; of an"
        " organisation those of its facilities",
    )
    trained_from: datetime | None = Field(
        examples=["2025-03-01T23:00:00Z"], description="the history that it is made of"
    )
    trained_until: datetime | None = Field(examples=["2026-11-22T23:00:00Z"])
    past_forecasts: int | None = Field(
        examples=[120], description="past forecasts of the same length that the interval is from"
    )
    independent_forecasts: int | None = Field(
        examples=[61], description="of these, so many that have no time in common"
    )
    reason: str | None = Field(examples=[None], description="why there is no forecast")
