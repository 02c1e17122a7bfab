"""The body of live totals."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.alerts import Alert
from services.api.models.answer import Answer, QualityWord
from services.api.models.live_electricity import LiveElectricity
from services.api.models.live_factors import LiveFactors
from services.core.timeline.windows import Window


class Shares(Answer):
    """How the figures of a window were obtained, as shares of its time; they add up to 1."""

    measured: float = Field(
        ge=0,
        le=1,
        examples=[0.9583],
        description="from readings; an hour that its rule found valid counts in full",
    )
    substituted: float = Field(
        ge=0, le=1, examples=[0.0417], description="hours for which a rule substituted a value"
    )
    estimated: float = Field(
        ge=0,
        le=1,
        examples=[0.0],
        description="spread between distant readings of a register, of which only the sum is known,"
        " or based on uncertain readings",
    )
    missing: float = Field(ge=0, le=1, examples=[0.0], description="no data")


class Total(Answer):
    """Emissions in a window."""

    co2_kg: float | None = Field(examples=[10234.5], description="`null`: unknown")
    co2e_kg: float | None = Field(examples=[10251.25])
    co2_market_kg: float | None = Field(
        examples=[10234.5],
        description="market-based for scope 2; equals `co2_kg` without a contract",
    )
    co2_biogenic_kg: float | None = Field(
        examples=[1200.5], description="CO2 from biomass, which is in no other mass"
    )
    co2_low_kg: float | None = Field(
        examples=[9978.6],
        description="lower end of the 95 % interval of `co2_kg`; `null`: not every meter and factor"
        " states its uncertainty",
    )
    co2_high_kg: float | None = Field(
        examples=[10490.4], description="upper end of the same interval"
    )
    exported_kwh: float | None = Field(
        examples=[20.5],
        description="what flowed out of the site: it emits nothing and is deducted from no total;"
        " `null`: unknown, or no meter tells it apart",
    )
    coverage: float = Field(
        ge=0,
        le=1,
        examples=[0.9993],
        description="part of the window that readings cover, 0 to 1; those of an hour that its rule"
        " found invalid cover nothing where it has no value",
    )
    quality: QualityWord = Field(
        examples=["substituted"],
        description="`substituted`: a rule filled a part in, `shares` says how much",
    )
    shares: Shares
    stale_factor_share: float = Field(
        ge=0,
        le=1,
        examples=[0.25],
        description="part of the window that counted by a factor that a newer figure is out or due"
        " for; `stale_factor` of the source says which",
    )
    reason: str | None = Field(
        None,
        examples=["the readings of then were dropped by retention"],
        description="with `as_of`: why nobody can tell any more what was known; else left out",
    )


Totals = dict[Window, Total]


class Rates(Answer):
    """The present rate of each mass, in kg per hour; `null`: nobody knows it."""

    co2_kg_h: float | None = Field(examples=[10180.2], description="the same as `rate_kg_h`")
    co2e_kg_h: float | None = Field(examples=[10201.5])
    co2_market_kg_h: float | None = Field(
        examples=[10180.2],
        description="market-based for scope 2; equals `co2_kg_h` without a contract",
    )
    co2_biogenic_kg_h: float | None = Field(
        examples=[1200.5], description="CO2 from biomass, which is in no other rate"
    )


class LiveSource(Answer):
    """The present state of a source."""

    id: str = Field(examples=["stack-1"])
    name: str = Field(examples=["Kiln 1"], description="display name; default: the id")
    scope: Literal[1, 2, 3] = Field(examples=[1])
    active: bool = Field(
        description="false: removed from the facility file; past emissions still count"
    )
    counts: bool = Field(
        description="false: excluded from sums, because it checks another source, because it"
        " removes, or because an active source counts the readings of this retired one"
    )
    rate_kg_h: float | None = Field(
        examples=[10180.2],
        description="kg CO2 per hour in the newest known minute; `null`: nobody knows what it emits"
        " now, `rate_basis` is `unknown`",
    )
    rates: Rates
    rate_basis: Literal["measured", "interval", "unknown"] = Field(
        examples=["measured"],
        description="measured: of now, by readings no more than 5 minutes apart or a gauge that"
        " holds; interval: the mean between the two newest readings, until the next one is overdue"
        " as long again; unknown: a gauge's `max_gap` is over, or no reading came in that time",
    )
    rate_from: datetime | None = Field(
        examples=[None], description="of an `interval`: the time that the mean is of"
    )
    rate_to: datetime | None = Field(examples=[None])
    newest_reading: datetime | None = Field(
        examples=["2026-11-23T17:59:50Z"],
        description="time of the newest reading of its channels in the last 31 days",
    )
    stale_factor: str | None = Field(
        examples=["factor of 2025, 2026 is out"],
        description="why its totals should count by a newer figure, `stale_factor_share` of each"
        " says how much of it; `null`: nothing says so",
    )
    totals: Totals
    newest_minute: datetime | None = Field(description="latest minute with data")
    removal: Literal["dac", "biogenic", "ccs"] | None = Field(
        examples=["dac"],
        description="the source removes: its masses were captured and stored, and are in no sum of"
        " emissions; `null`: it emits",
    )
    evidence: Literal["metered", "billed", "estimated"] = Field(
        examples=["metered"], description="how the activity is known"
    )
    scope3_category: int | None = Field(
        examples=[6], description="category of the GHG Protocol; `null`: none is stated"
    )


class ScopeTotals(Answer):
    """Emissions of one scope."""

    scope: Literal[1, 2, 3] = Field(examples=[2])
    totals: Totals


class EvidenceTotals(Answer):
    """Emissions of what is known in one way."""

    evidence: Literal["metered", "billed", "estimated"] = Field(examples=["billed"])
    totals: Totals


class CategoryTotals(Answer):
    """Emissions of one category of scope 3."""

    category: int = Field(examples=[6], description="of the GHG Protocol, 1 to 15")
    totals: Totals


class Removed(Answer):
    """What was removed in a window, deducted from nothing."""

    removed_kg: float | None = Field(
        examples=[12.5],
        description="CO2 from the air or from biomass that sources captured and stored; `null`:"
        " unknown; 0: nothing removes",
    )
    stored_fossil_kg: float | None = Field(
        examples=[40.0],
        description="fossil CO2 that sources captured and stored, which is no removal",
    )
    coverage: float | None = Field(
        examples=[0.9993],
        description="part of the window that readings of these sources cover; `null`: there are"
        " none",
    )
    removed_stated_kg: float = Field(
        examples=[3.2],
        description="CO2 that was removed by what the facility file states, in even parts of its"
        " period",
    )
    credits_kg: float = Field(examples=[0.0], description="credits that were retired in the window")


class Difference(Answer):
    """Difference between a source and its check."""

    difference_kg: float | None = Field(examples=[-12.5], description="source minus check")
    difference_percent: float | None = Field(examples=[-1.2], description="relative to the check")


class Check(Answer):
    """A source and another one that measures the same emissions differently."""

    source: str = Field(examples=["boiler"])
    check: str = Field(examples=["stack-1"])
    totals: dict[Window, Difference]


class Live(Answer):
    """The present state of a facility."""

    as_of: datetime
    facility: str = Field(examples=["linz"])
    rate_kg_h: float | None = Field(examples=[10592.7])
    rates: Rates
    totals: Totals
    scopes: list[ScopeTotals]
    by_evidence: list[EvidenceTotals] = Field(
        description="what of `totals` is metered, billed and estimated"
    )
    scope3_categories: list[CategoryTotals] = Field(
        description="what of scope 3 is of each category that sources state"
    )
    removals: dict[Window, Removed] = Field(
        description="beside `totals`, which are gross: nothing is deducted from them"
    )
    electricity: LiveElectricity | None = Field(
        description="what contracts supply of the load of scope 2, as `GET /v1/electricity` tells"
        " it; `null`: the facility's file states no `electricity`, or a storage of it is"
        " so old that its hours are too many for an answer"
    )
    hourly_factors: LiveFactors | None = Field(
        description="which share of the running day, month and year counted by factors of the hour,"
        " by means, or by what else; `null`: no source counts by a series"
    )
    sources: list[LiveSource]
    checks: list[Check]
    stale_factors: list[str] = Field(
        examples=[["grid: factor of 2025, 2026 is out"]],
        description="sources whose totals should count by a newer figure",
    )
    alerts: list[Alert] = Field(
        description="alerts that are firing, the latest 1 000; `GET /v1/alerts` lists all"
    )
    sequence: int = Field(examples=[4711], description="increases with every change of the totals")
    changed_at: datetime | None = Field(description="when the totals last changed")
    newest_minute: datetime | None = Field(description="latest minute with data")
