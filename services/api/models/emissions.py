"""Rows of emissions, of yearly reports and of restatements."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from services.api.models.answer import Answer, QualityWord

# Rows and groups tell alike by which level of a series their mass counted.
_FactorMonth = Annotated[
    float | None,
    Field(ge=0, le=1, examples=[0.08], description="the same by the mean of the zone's month"),
]
_FactorYear = Annotated[
    float | None,
    Field(ge=0, le=1, examples=[0.0], description="the same by the mean of the zone's year"),
]
_FactorOther = Annotated[
    float | None,
    Field(
        ge=0, le=1, examples=[0.0], description="the same by a factor that the series falls back to"
    ),
]
_FactorFigures = Annotated[
    float | None,
    Field(
        ge=0, le=1, examples=[0.0], description="the same before or after the factor was a series"
    ),
]


class Emission(Answer):
    """Emissions of one source in one interval."""

    time: datetime = Field(examples=["2026-11-23T17:00:00Z"], description="start of the interval")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3] = Field(examples=[1])
    co2_kg: float | None = Field(
        examples=[848.5],
        description="`null`: unknown; so is an hour that its rule found invalid and did not fill",
    )
    co2e_kg: float | None = Field(examples=[849.25])
    coverage: float = Field(ge=0, le=1, examples=[1.0])
    quality: QualityWord = Field(
        examples=["measured"],
        description="an hour without a value is `missing`, or `partial` where there were readings"
        " and its rule found too few",
    )
    version: int | None = Field(
        examples=[1],
        description="version of the hour, the highest of several; `null`: not computed",
    )
    activity: float | None = Field(examples=[412.5])
    activity_unit: str | None = Field(examples=["kWh"])
    state: Literal["provisional", "final"] = Field(examples=["final"])
    co2_market_kg: float | None = Field(
        examples=[848.5],
        description="market-based for scope 2; equals `co2_kg` without a contract",
    )
    co2_low_kg: float | None = Field(
        examples=[827.3],
        description="lower end of the 95 % interval of `co2_kg`; `null`: not every meter and factor"
        " states its uncertainty",
    )
    co2_high_kg: float | None = Field(
        examples=[869.7], description="upper end of the same interval"
    )
    counts: bool = Field(
        examples=[True],
        description="false: excluded from sums, because it checks another source, because it"
        " removes, or because an active source counts the readings of this retired one",
    )
    share_measured: float = Field(
        ge=0,
        le=1,
        examples=[1.0],
        description="share of the interval that comes from readings; an hour that its rule found"
        " valid counts in full",
    )
    share_substituted: float = Field(ge=0, le=1, examples=[0.0])
    share_estimated: float = Field(
        ge=0,
        le=1,
        examples=[0.0],
        description="spread between distant readings of a register, or based on uncertain readings",
    )
    share_missing: float = Field(ge=0, le=1, examples=[0.0], description="no data")
    source_name: str = Field(examples=["Kiln 1"], description="display name; default: the id")
    co2_biogenic_kg: float | None = Field(
        examples=[120.5], description="CO2 from biomass, which is in no other mass"
    )
    code: str | None = Field(
        examples=["quadrants flow:20"],
        description="for intervals of an hour: how its rule determined it, with the method code of"
        " each input that is not plainly measured; `null`: longer intervals, or no rule",
    )
    exported: float | None = Field(
        examples=[20.5],
        description="what flowed out, in `activity_unit`: it emits nothing and is not deducted;"
        " `null`: unknown, or the meter does not tell it apart",
    )
    reason: str | None = Field(
        examples=[
            None,
            "the readings of then were dropped by retention",
        ],
        description="why time of the interval has no value: its rule found hours invalid, or with"
        " `as_of` nobody can tell any more what was known; else `null`",
    )
    stale_factor: str | None = Field(
        examples=["factor of 2025, 2026 is out"],
        description="why it should count by a newer figure, by what is known now or was known at"
        " `as_of`; `null`: nothing says so",
    )
    stale_factor_share: float = Field(
        ge=0,
        le=1,
        examples=[0.5],
        description="share of the interval that counted by the stale factor",
    )
    removal: Literal["dac", "biogenic", "ccs"] | None = Field(
        examples=["dac"],
        description="the source removes: its masses were captured and stored, and are in no sum of"
        " emissions; `null`: it emits",
    )
    evidence: Literal["metered", "billed", "estimated"] | None = Field(
        examples=["metered"], description="how the activity is known"
    )
    scope3_category: int | None = Field(
        examples=[6], description="category of the GHG Protocol; `null`: none is stated"
    )
    factor_hour: float | None = Field(
        ge=0,
        le=1,
        examples=[0.92],
        description="of `co2_kg`, the share that counted by the value"
        " of its hour; this and the next four add up to 1; `null`: nothing counted by a series",
    )
    factor_month: _FactorMonth
    factor_year: _FactorYear
    factor_other: _FactorOther
    factor_figures: _FactorFigures


class EmissionGroup(Answer):
    """Emissions of the sources of a facility that count, or of a part of them, in one interval."""

    time: datetime = Field(examples=["2026-11-23T17:00:00Z"], description="start of the interval")
    facility: str = Field(examples=["linz"])
    scope: int | None = Field(examples=[None, 1], description="`null`: all scopes")
    sources: int = Field(examples=[20], description="sources in the sum")
    co2_kg: float | None = Field(
        examples=[848.5], description="of the sources that are known; `null`: none is"
    )
    co2e_kg: float | None = Field(examples=[849.25])
    coverage: float = Field(
        ge=0, le=1, examples=[1.0], description="share of the time of all sources that is known"
    )
    quality: QualityWord = Field(examples=["measured"])
    state: Literal["provisional", "final"] = Field(
        examples=["final"], description="final when all sources are"
    )
    co2_market_kg: float | None = Field(examples=[848.5])
    co2_low_kg: float | None = Field(
        examples=[827.3],
        description="lower end of the 95 % interval of `co2_kg`; `null`: not every meter and factor"
        " states its uncertainty",
    )
    co2_high_kg: float | None = Field(
        examples=[869.7], description="upper end of the same interval"
    )
    share_measured: float = Field(ge=0, le=1, examples=[1.0])
    share_substituted: float = Field(ge=0, le=1, examples=[0.0])
    share_estimated: float = Field(ge=0, le=1, examples=[0.0])
    share_missing: float = Field(ge=0, le=1, examples=[0.0], description="no data")
    co2_biogenic_kg: float | None = Field(
        examples=[120.5], description="CO2 from biomass, which is in no other mass"
    )
    reason: str | None = Field(
        examples=[None], description="as of a source, of all hours of the sources"
    )
    stale_factor_share: float = Field(
        ge=0,
        le=1,
        examples=[0.5],
        description="share of the time of all sources that counted by a stale factor",
    )
    scope3_category: int | None = Field(
        examples=[6], description="with `group_by=category`: of scope 3; `null`: none, or all"
    )
    evidence: Literal["metered", "billed", "estimated"] | None = Field(
        examples=["billed"], description="with `group_by=evidence`; `null`: all"
    )
    evidence_metered: float | None = Field(
        examples=[0.82],
        description="share of `co2e_kg` from activity that meters measured; `null`: it is unknown"
        " or 0",
    )
    evidence_billed: float | None = Field(examples=[0.12], description="the same from bills")
    evidence_estimated: float | None = Field(
        examples=[0.06], description="the same from estimates, such as by money spent"
    )
    removed_kg: float | None = Field(
        examples=[12.5],
        description="CO2 from the air or from biomass that sources captured and stored, deducted"
        " from nothing; `null`: unknown; 0: nothing removes",
    )
    stored_fossil_kg: float | None = Field(
        examples=[40.0],
        description="fossil CO2 that sources captured and stored, which is no removal",
    )
    removed_stated_kg: float | None = Field(
        examples=[3.2],
        description="CO2 that was removed by what the facility file states, in even parts of its"
        " period; `null`: the group is neither a facility nor a scope",
    )
    credits_kg: float | None = Field(
        examples=[0.0], description="credits that were retired in the interval, likewise"
    )
    factor_hour: float | None = Field(
        ge=0,
        le=1,
        examples=[0.92],
        description="of `co2_kg` of sources with factors by the hour, the share that counted by the"
        " value of its hour; this and the next four add up to 1; `null`: nothing counted by a"
        " series",
    )
    factor_month: _FactorMonth
    factor_year: _FactorYear
    factor_other: _FactorOther
    factor_figures: _FactorFigures


_CHOSEN: dict[str, Any] = {
    name: (field.annotation, None)
    for model in (EmissionGroup, Emission)
    for name, field in model.model_fields.items()
}
#: A row of the columns that were asked for alone.
EmissionFields = create_model(
    "EmissionFields",
    __base__=Answer,
    __doc__="A row with those columns that `fields` names.",
    **_CHOSEN,
)


class Report(Answer):
    """A quarter or year of one stack, as its rule requires it to be reported."""

    time: datetime = Field(examples=["2026-07-01T05:00:00Z"], description="start of the period")
    ends: datetime = Field(
        examples=["2026-10-01T05:00:00Z"], description="end of the period, exclusive"
    )
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3] = Field(examples=[1])
    period: str = Field(examples=["2026-Q3", "2026"])
    equation: str = Field(examples=["F-11"])
    citation: str = Field(examples=["40 CFR 75 App. F, eq. F-11"])
    unit: str = Field(examples=["short ton"])
    value: float | None = Field(
        examples=[812345.6],
        description="rounded once; `null`: not computable, or no hour finalised yet",
    )
    unrounded: float | None = Field(examples=[812345.625])
    co2_kg: float | None = Field(examples=[736947537.8], description="`value` in kg")
    operating_h: float = Field(examples=[2190.25], description="operating hours as reported")
    hours: int = Field(examples=[2208], description="hours that were finalised")
    hours_waiting: int = Field(examples=[0], description="past hours without a final figure")
    state: Literal["provisional", "final"] = Field(examples=["final"])
    reason: str | None = Field(
        examples=[None, "hour 2026-08-03T10:00:00Z operated and has no rate"],
        description="why the value is missing",
    )
    codes: str = Field(
        examples=["co2:01=2208 flow:01=2205 flow:20=3"],
        description="hours of operation by the method code of each input",
    )
    reporting_zone: Literal["standard", "local"] = Field(
        examples=["standard"],
        description="time of the facility that the period is cut by: without daylight saving time"
        " all year (`standard`), or by the clock (`local`)",
    )
    biogenic_kg: float | None = Field(
        examples=[0.0],
        description="of `co2_kg`, which is all CO2 of the stack, what is from biomass",
    )
    facility_removed_kg: float | None = Field(
        examples=[0.0],
        description="CO2 that the whole facility removed in the period, measured and stated;"
        " deducted from nothing; `null`: a source that removes is unknown",
    )
    facility_credits_kg: float = Field(
        examples=[0.0], description="credits that the facility retired in the period"
    )


class Restatement(Answer):
    """A change of an hour after it was closed."""

    time: datetime = Field(examples=["2026-11-23T17:00:00Z"], description="start of the hour")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3] = Field(examples=[1])
    version: int = Field(examples=[2], description="version that the change created")
    old_co2_kg: float | None = Field(examples=[848.5], description="`null`: unknown before")
    new_co2_kg: float | None = Field(examples=[850.0])
    difference_kg: float | None = Field(
        examples=[1.5], description="new minus old; `null` counts as 0"
    )
    old_co2e_kg: float | None = Field(examples=[848.5])
    new_co2e_kg: float | None = Field(examples=[850.0])
    old_quality: Literal["measured", "partial", "missing", "substituted", "estimated"] = Field(
        examples=["partial"]
    )
    new_quality: Literal["measured", "partial", "missing", "substituted", "estimated"] = Field(
        examples=["measured"]
    )
    reason: str = Field(
        examples=["late readings"],
        description="late readings, value held on, accepted correction, factor version, channel"
        " configuration, register epoch, source configuration, source added, substitution"
        " resolved or recomputation",
    )
    cause: str | None = Field(
        examples=["cems-1.co2"], description="what or who caused it: channels, rows or people"
    )
    known_at: datetime = Field(
        examples=["2026-11-23T19:03:12.5Z"], description="when the new version was created"
    )
    old_co2_market_kg: float | None = Field(
        examples=[848.5],
        description="market-based for scope 2; equals `old_co2_kg` without a contract",
    )
    new_co2_market_kg: float | None = Field(examples=[850.0])
    old_co2_biogenic_kg: float | None = Field(
        examples=[120.5], description="CO2 from biomass, which is in no other mass"
    )
    new_co2_biogenic_kg: float | None = Field(examples=[121.0])
