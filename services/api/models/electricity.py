"""Bodies of answers about electricity: how a load is supplied, and by which contracts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer

_TIME = Field(examples=["2026-11-23T17:00:00Z"], description="start of the interval")
_FACILITY = Field(examples=["linz"])


class MatchedBy(Answer):
    """The rule by which a facility's contracts are matched."""

    zone: str | None = Field(examples=["AT"], description="grid or bidding zone of the facility")
    match: str = Field(
        examples=["hourly"],
        description="rule by which contracts are matched; several are parted by spaces",
    )
    match_published: str | None = Field(
        examples=["2025-10-20"], description="when it was published; `null`: the facility's own"
    )
    match_draft: bool = Field(
        examples=[False], description="it is consulted on, and no standard yet"
    )


class MatchedLoad(Answer):
    """A load in a span of time, location-based and market-based."""

    load_kwh: float | None = Field(
        examples=[412000.0], description="what was bought; `null`: nothing is known"
    )
    contracted_kwh: float = Field(
        examples=[380000.0],
        description="what contracts have, used or not; what is certified for a month without an"
        " hour, and counts by the rule, is spread over the rule's period as the load is",
    )
    matched_kwh: float | None = Field(
        examples=[300000.0], description="of the load, what contracts supply by the rule"
    )
    unmatched_kwh: float | None = Field(examples=[112000.0], description="the rest")
    matched_share: float | None = Field(
        examples=[0.728155], description="of the load; `null`: no load is known"
    )
    hourly_share: float | None = Field(
        examples=[0.651], description="the same if each hour is matched by itself"
    )
    known_hours: int = Field(examples=[24], description="hours of which a load is known")
    unmatched_hours: int = Field(
        examples=[9],
        description="of them, those that contracts do not wholly supply, each matched by itself",
    )
    carbon_free_share: float | None = Field(
        examples=[0.728155], description="of the load, what contracts supply that emits nothing"
    )
    cfe_share: float | None = Field(
        examples=[0.842],
        description="carbon-free energy score: with the carbon-free part of the grid in the rest;"
        " `null`: that part is not stated",
    )
    co2_location_kg: float | None = Field(
        examples=[61800.0], description="`co2_kg` of the same sources in /v1/emissions"
    )
    co2_market_kg: float | None = Field(
        examples=[28900.0],
        description="matched by the contracts' factors, the rest by the residual mix",
    )
    co2_uncontracted_kg: float | None = Field(
        examples=[103000.0],
        description="market-based without contracts: `co2_market_kg` of the same sources in"
        " /v1/emissions",
    )
    coverage: float = Field(
        examples=[0.998], description="share of the time of all sources of which a load is known"
    )


class _Interval(Answer):
    time: datetime = _TIME
    facility: str = _FACILITY


class ElectricityUse(MatchedLoad, MatchedBy, _Interval):
    """What a facility's electricity was in an interval, location-based and market-based."""

    state: Literal["provisional", "final"] = Field(examples=["final"])


class ContractUse(Answer):
    """What a contract supplied in an interval."""

    time: datetime = _TIME
    facility: str = _FACILITY
    contract: str = Field(examples=["wind-park"])
    contract_name: str = Field(examples=["Wind park"], description="its id where it has no name")
    technology: str = Field(examples=["wind"])
    zone: str | None = Field(examples=["AT"], description="where it feeds in")
    contracted_kwh: float = Field(
        examples=[380000.0],
        description="what it has, used or not, as far as it counts: in its time, by its retired"
        " certificates, in the facility's zone where the rule asks for that",
    )
    used_kwh: float = Field(examples=[300000.0], description="what it supplies of the load")
    co2_kg: float = Field(examples=[0.0], description="of that, by its factor")
    coverage: float | None = Field(
        examples=[0.998],
        description="share of the time of which its channel is known; `null`: it has none",
    )


class StorageFlow(Answer):
    """What went into a storage and came out of it in an interval."""

    time: datetime = _TIME
    facility: str = _FACILITY
    storage: str = Field(examples=["battery"])
    contract: str | None = Field(
        examples=["pv"], description="whose generation it stores; `null`: it is behind the meter"
    )
    charged_kwh: float = Field(examples=[5000.0])
    discharged_kwh: float = Field(examples=[4250.0])
    attributed_kwh: float = Field(
        examples=[4250.0],
        description="of what was discharged, the part whose charging is known: no more can come out"
        " than went in less its losses",
    )
    stored_kwh: float = Field(
        examples=[0.0], description="what can still come out at the end of the interval"
    )
    charged_location_kg: float | None = Field(
        examples=[1000.0],
        description="what charging emitted, location-based; `null`: it stores a contract's",
    )
    charged_market_kg: float = Field(examples=[400.0], description="the same, market-based")
    discharged_location_kg: float | None = Field(
        examples=[1000.0],
        description="the same mass, when it comes out again: for attribution"
        " only, it is no part of any total",
    )
    discharged_market_kg: float = Field(examples=[400.0], description="the same, market-based")
