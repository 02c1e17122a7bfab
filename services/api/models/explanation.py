"""The body that explains an hour."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class HourVersion(Answer):
    """One version of an hour."""

    version: int
    co2_kg: float | None = Field(examples=[10180.2])
    co2e_kg: float | None = Field(examples=[10180.2])
    co2_market_kg: float | None = Field(examples=[10180.2])
    co2_biogenic_kg: float | None = Field(
        examples=[1200.5], description="CO2 from biomass, which is in no other mass"
    )
    activity: float | None
    exported: float | None = Field(
        description="what flowed out, which emits nothing; `null`: unknown, or not told apart"
    )
    coverage: float = Field(ge=0, le=1)
    quality: Literal["measured", "partial", "missing", "substituted", "estimated"]
    code: str | None = Field(description="method code of the policy that finalised the hour")
    state: Literal["provisional", "final"]
    reason: str = Field(examples=["closed"], description="why this version was created")
    known_at: datetime
    superseded_at: datetime | None = Field(description="`null`: in force")


class ExplainedInput(Answer):
    """One input of the hour, in its channel's unit."""

    role: str = Field(examples=["co2"])
    device: str = Field(examples=["cems-1"])
    channel: str = Field(examples=["co2"])
    quantity: str = Field(examples=["fraction"])
    unit: str = Field(examples=["%"])
    kind: Literal["counter", "gauge", "interval", "event"]
    scale: float | None = Field(
        description="what one that the device sends is worth in the unit; `null`: 1"
    )
    offset: float | None = Field(description="added after the scale; `null`: 0")
    in_force: list[dict[str, object]] = Field(
        description="what readings of the hour are worth: scale, offset, full_scale, span and the"
        " calibration function of EN 14181 with its citation, `from` when (`null`: since ever);"
        " more than one where one of them changes within the hour, of which `scale` and `offset`"
        " are those that it begins with"
    )
    mean: float | None = Field(None, description="for a gauge: time-weighted mean")
    amount: float | None = Field(None, description="for any other channel: sum")
    exported: float | None = Field(
        description="mean or amount of what flowed out; `null`: unknown, or not told apart"
    )
    covered_s: float = Field(description="seconds of the hour covered by readings")
    readings: dict[str, object] = Field(
        description="count, gaps, by_quality, over_full_scale (readings above the channel's"
        " `full_scale`), min, mean, max, first and last, as sent, before scale and offset"
    )
    held: list[dict[str, object]] = Field(
        description="for a register: increments not counted until a later reading confirms or"
        " retracts them"
    )
    incidents: list[dict[str, object]] = Field(
        description="for a register: rollovers, resets, transients, jitter and jumps, and what was"
        " counted"
    )


class ExplainedMinute(Answer):
    """One minute of the hour."""

    time: datetime
    co2_kg: float | None = Field(description="as measured")
    co2e_kg: float | None
    co2_market_kg: float | None
    co2_biogenic_kg: float | None
    closing_kg: float = Field(
        description="the minute's share of what the rule added when the hour was closed"
    )
    closing_biogenic_kg: float = Field(description="the same of its biogenic CO2")
    activity: float | None
    exported: float | None = Field(
        description="what flowed out, which emits nothing; `null`: unknown, or not told apart"
    )
    coverage: float = Field(ge=0, le=1)
    inputs: dict[str, float | None] = Field(description="mean or amount of each input, by role")


class Explanation(Answer):
    """How the total of one hour of a source was computed."""

    facility: str = Field(examples=["linz"])
    facility_retired_at: datetime | None = Field(description="`null`: in force")
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3]
    hour: datetime
    as_of: datetime
    total: HourVersion | None = Field(description="the version in force; `null`: not computed")
    reason: str | None = Field(
        description="with `as_of`: why nobody can tell any more what was known of the hour, or of"
        " its minutes; else `null`"
    )
    activity_unit: str | None
    method: str = Field(examples=["stack"])
    configuration: dict[str, object] = Field(description="the source's entry in the facility file")
    configured_at: datetime
    equation: dict[str, object] | None = Field(
        description="for a stack: id, citation, unit, inputs and diluent"
    )
    factor: dict[str, object] | None = Field(
        description="for an activity: the factor version applied, its citation, and the factor per"
        " unit of activity; of a factor by the hour `series` says what was `used`: the value of the"
        " `hour`, the mean of its `month` or `year`, or another factor"
    )
    market_factor: dict[str, object] | None = Field(
        description="for scope 2: the market-based factor"
    )
    closing: dict[str, object] | None = Field(
        description="for a stack under a rule: validity and substitution policy, each input as"
        " recorded with its verdict, method code and substitute (`least_known`: its average with"
        " readings above full scale, below which nothing stands in), the reported rate,"
        " calibrations, audits with their bias factor, how many averages of the hour's week and"
        " those before it lay beyond the valid range of the calibration function"
        " (`calibration_ranges`), the load with its range, and the time that reports of it are"
        " cut by (`reporting_zone`, as in `/v1/reports`); `diluent_cap`: the O2 or CO2 beyond which"
        " the cap itself counts, with code 14 (`null`: none is in force)"
    )
    analysis: dict[str, object] | None = Field(
        description="for an activity whose fuel is measured: the equation of its CO2 with its"
        " citation, that of CH4 and N2O, and the channels by what they measure, which are among the"
        " inputs; `factor` tells what the fuel would be counted by without them"
    )
    derived: dict[str, object] | None = Field(
        description="for an activity of a derived channel: the channel, its quantity and unit, and"
        " the formula over the inputs, each of which has the role of its own name"
    )
    derived_inputs: dict[str, object] = Field(
        description="for a stack: the same of each derived input, by role"
    )
    inputs: list[ExplainedInput]
    minutes: list[ExplainedMinute]
    versions: list[HourVersion] = Field(description="oldest first")
