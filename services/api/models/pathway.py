"""Bodies of answers about paths to net zero."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer

_ORGANISATION = Field(
    examples=[None], description="whose path it is, of all of `facility`; `null`: a facility's own"
)
_FACILITY = Field(
    examples=["linz"], description="facility ids, parted by spaces where several are added up"
)
_FIGURE = Field(
    examples=["co2e"],
    description="mass that the path is of; market: market-based"
    " CO2 by the sources' `market_factor`, without contracts",
)
_BASIS = Field(
    examples=["gross"],
    description="what is allowed and actual is gross: removals and credits stand beside it",
)
_REMOVED = Field(
    examples=[5000000.0],
    description="removed in the year, so far, by sources and by what the file states",
)
_PERMANENT = Field(
    examples=[4000000.0], description="of it, what is stored for good: no other may ever count"
)
_CREDITS = Field(examples=[500000.0], description="credits that were retired in the year")


class PathYear(Answer):
    """A year of a path."""

    time: datetime = Field(examples=["2025-12-31T23:00:00Z"], description="start of the year")
    year: int = Field(examples=[2026])
    organisation: str | None = _ORGANISATION
    facility: str = _FACILITY
    scope: int = Field(examples=[1])
    figure: Literal["co2", "co2e", "market"] = _FIGURE
    basis: Literal["gross"] = _BASIS
    allowed_kg: float | None = Field(
        examples=[74800000.0], description="`null`: nothing is known of the base year yet"
    )
    actual_kg: float | None = Field(
        examples=[61234567.8],
        description="what is known of the year, so far; `null`: nothing is",
    )
    origin: Literal["measured", "stated", "both"] | None = Field(
        examples=["measured"],
        description="stated: by the facility file; both: of some facilities, measured of others",
    )
    known_share: float | None = Field(
        examples=[0.998],
        description="share of the year, so far, for which emissions are known, of sources of which"
        " anything is known in it; what is missing is not in `actual_kg`; `null` where stated",
    )
    cumulative_allowed_kg: float | None = Field(
        examples=[522000000.0], description="of all years after the base year, up to this one"
    )
    cumulative_actual_kg: float | None = Field(
        examples=[498000000.0], description="`null`: nothing is known of one of these years"
    )
    removed_kg: float = _REMOVED
    permanent_kg: float = _PERMANENT
    credits_kg: float = _CREDITS
    counted_removals_kg: float | None = Field(
        examples=[0.0],
        description="of `permanent_kg`, what counts against the residual: nothing before the"
        " neutral year; `null`: nothing is known of the year",
    )
    counted_credits_kg: float | None = Field(
        examples=[0.0], description="of `credits_kg`, what the policy and the file let count of it"
    )
    net_kg: float | None = Field(
        examples=[61234567.8],
        description="`actual_kg` less the two that count; no allowance is compared with it",
    )
    neutral: bool | None = Field(
        examples=[None],
        description="of a year that is over, from the neutral year on: whether nothing is left; of"
        " several facilities, whether each is; `null`: before it, while the year runs, or less than"
        " 90 % of it is known",
    )


class PathStanding(Answer):
    """How a path stands."""

    time: datetime = Field(examples=["2026-11-23T18:00:00Z"], description="when it stands so")
    organisation: str | None = _ORGANISATION
    facility: str = _FACILITY
    scope: int = Field(examples=[1])
    figure: Literal["co2", "co2e", "market"] = _FIGURE
    basis: Literal["gross"] = _BASIS
    policy: str = Field(examples=["sbti-1.5c-2019"], description="rule that gives the allowances")
    policy_source: str | None = Field(
        examples=["Science Based Targets initiative, Foundations of Science-based Target Setting"],
        description="who published it, in what; `null`: it is the facility's own",
    )
    policy_published: str | None = Field(examples=["2019-04-17"], description="when")
    base_year: int = Field(examples=[2020], description="the earliest where several are added up")
    base_kg: float | None = Field(examples=[100000000.0])
    base_version: int | None = Field(
        examples=[1], description="of the base year's figure; `null` where several are added up"
    )
    base_known_at: datetime | None = Field(
        examples=["2026-01-03T00:05:00Z"], description="since when it holds"
    )
    base_cause: str | None = Field(
        examples=["verified report 2020"],
        description="of a stated base its citation, or `stated`; of one of tonne's own data why it"
        " was told or recalculated",
    )
    year: int = Field(examples=[2026], description="the calendar year that runs")
    allowed_kg: float | None = Field(examples=[74800000.0], description="in it")
    actual_kg: float | None = Field(examples=[61234567.8], description="in it so far")
    known_share: float | None = Field(
        examples=[0.998],
        description="share of the year so far for which emissions are known, of sources of which"
        " anything is known in it",
    )
    year_left_kg: float | None = Field(
        examples=[13565432.2],
        description="allowed minus `actual_kg`, which rests on `known_share`; below 0: too much was"
        " emitted",
    )
    year_days_left: float | None = Field(
        examples=[61.2],
        description="days for which that lasts at `rate_kg_day`: too many where the shares that are"
        " known are low; `null`: unknown, or nothing is emitted",
    )
    rate_kg_day: float | None = Field(
        examples=[221000.0], description="mean of the newest 24 whole hours, of their known time"
    )
    rate_known_share: float | None = Field(
        examples=[0.997],
        description="share of these 24 hours that is known, of the sources that the rate counts",
    )
    silent_sources: str = Field(
        examples=[""],
        description="active sources of which nothing is known in these 24 hours, which the rate"
        " leaves out",
    )
    last_year: int | None = Field(examples=[2044], description="of the path")
    neutral_year: int | None = Field(
        examples=[2044],
        description="first year from which on no more than the residual is allowed; `null`: none",
    )
    residual_kg: float | None = Field(
        examples=[0.0],
        description="what still may be emitted in a neutral year, if as much is removed for good",
    )
    budget_kg: float | None = Field(
        examples=[1140800000.0], description="allowed over all years of the path"
    )
    budget_left_kg: float | None = Field(
        examples=[642800000.0],
        description="of it minus what was emitted in these years, which rests on"
        " `known_share_to_date`; below 0: too much was emitted",
    )
    days_left: float | None = Field(
        examples=[2908.6],
        description="days for which that lasts at `rate_kg_day`: too many where the shares that are"
        " known are low; `null`: unknown, nothing is emitted, or the path's last year is over",
    )
    allowed_to_date_kg: float | None = Field(
        examples=[515000000.0],
        description="of all years after the base year, of the running one as much as is over",
    )
    actual_to_date_kg: float | None = Field(
        examples=[498000000.0], description="`null`: nothing is known of one of these years"
    )
    known_share_to_date: float | None = Field(
        examples=[0.98],
        description="`known_share` of the year after the base year of which least is known; `null`:"
        " none of them is measured",
    )
    missing_years: str = Field(
        examples=["2021 2022"],
        description="of which nothing is known: state them under actual in the facility file",
    )
    gap_kg: float | None = Field(
        examples=[-17000000.0],
        description="emitted so far minus allowed so far; below 0: less; `null`: a year is missing,"
        " or `known_share_to_date` is below 0.9",
    )
    gap_low_kg: float | None = Field(
        examples=[-29000000.0],
        description="ends of its 95 % interval; `null`: there is no gap, or a source does not state"
        " its uncertainty",
    )
    gap_high_kg: float | None = Field(examples=[-5000000.0])
    trend_kg_a_year: float | None = Field(
        examples=[-4200000.0],
        description="the newest 365 days minus the 365 before; `null`: less than 90 % of one of"
        " them is known",
    )
    crosses_year: int | None = Field(
        examples=[2031],
        description="first year, from the running one on, in which that trend lies above the path;"
        " `null`: none of the path's, or no trend",
    )
    newest_365d_kg: float | None = Field(
        examples=[80000000.0], description="of the newest 365 days that are over"
    )
    highest_365d_kg: float | None = Field(examples=[101000000.0], description="the most of any 365")
    highest_365d_until: datetime | None = Field(
        examples=["2022-03-14T23:00:00Z"], description="their end"
    )
    below_peak_kg: float | None = Field(
        examples=[21000000.0], description="how far the newest lie below the highest"
    )
    below_peak_half_kg: float | None = Field(
        examples=[6000000.0], description="half the 95 % interval of that"
    )
    peak: Literal["peaked", "below", "unclear", "highest", "unknown"] | None = Field(
        examples=["peaked"],
        description="of the sums of 365 days that are known to 90 %: highest: the newest is;"
        " unclear: it lies below by no more than the band; below: by more; peaked: by more, and has"
        " no day in common with the highest;"
        " unknown: uncertainties are not stated; `null`: no 365 days are known to 90 %",
    )
    heating_degree_days: float | None = Field(
        examples=[2870.4],
        description="of the newest 365 days, by the facility's outdoor temperature; `null`: see"
        " `weather_reason`, or no temperature is stated",
    )
    highest_heating_degree_days: float | None = Field(
        examples=[3121.9], description="of the highest 365"
    )
    cooling_degree_days: float | None = Field(examples=[61.3])
    highest_cooling_degree_days: float | None = Field(examples=[48.0])
    weather_kg: float | None = Field(
        examples=[4100000.0],
        description="part of `below_peak_kg` that the weather explains; 0: no effect of it shows",
    )
    below_peak_at_same_weather_kg: float | None = Field(
        examples=[16900000.0], description="`below_peak_kg` without `weather_kg`"
    )
    below_peak_at_same_weather_half_kg: float | None = Field(
        examples=[6400000.0],
        description="half the 95 % interval of that, of `below_peak_half_kg` and of the fit",
    )
    peak_at_same_weather: Literal["peaked", "below", "unclear", "highest", "unknown"] | None = (
        Field(examples=["peaked"], description="`peak` by these two")
    )
    weather_reason: str | None = Field(
        examples=[None], description="why weather is not taken out, where a temperature is stated"
    )
    reason: str | None = Field(
        examples=[None],
        description="why there is no path, no gap or no trend",
    )
    removed_kg: float = _REMOVED
    permanent_kg: float = _PERMANENT
    credits_kg: float = _CREDITS
    removals_may_count: str = Field(
        examples=["100"],
        description="percent of the residual that permanent removals may balance in a neutral year",
    )
    credits_may_count: str = Field(
        examples=["0"], description="percent of it that credits may balance, by policy and file"
    )
    counting: str = Field(
        examples=[
            "the facility's own path: its file says what credits may balance",
        ],
        description="why so",
    )
