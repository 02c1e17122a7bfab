"""Bodies of answers, as the specification shows them and the tests check them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.api.models.alerts import Alert
from services.core.timeline.windows import Window

QualityName = Literal["good", "uncertain", "bad", "calibration", "maintenance"]


class Answer(BaseModel):
    """A body that holds exactly its fields."""

    model_config = ConfigDict(extra="forbid")


class FacilitySource(Answer):
    """A source of a facility."""

    id: str = Field(examples=["stack-1"])
    name: str = Field(examples=["Kiln 1"], description="display name; default: the id")
    scope: Literal[1, 2, 3] = Field(examples=[1])
    method: str = Field(examples=["stack"])


class FacilityDevice(Answer):
    """A device of a facility, and when it was last heard from."""

    id: str = Field(examples=["cems-1"])
    name: str = Field(examples=["Analyser, kiln 1"], description="display name; default: the id")
    last_seen: datetime | None = Field(
        description="when the latest message arrived; `null`: none yet",
        examples=["2026-11-23T18:00:02Z"],
    )
    online: bool | None = Field(
        description="last state on its status topic; `null`: none received", examples=[True]
    )
    status_at: datetime | None = Field(
        description="when the device reported that state", examples=["2026-11-23T06:12:40Z"]
    )


class Facility(Answer):
    """A facility with its active sources and devices."""

    id: str = Field(examples=["linz"])
    name: str = Field(examples=["Linz works"])
    timezone: str = Field(examples=["Europe/Vienna"], description="IANA name")
    retired_at: datetime | None = Field(
        description="`null`: in force; else only its history is available, and `sources` and"
        " `devices` are those it had"
    )
    sources: list[FacilitySource]
    devices: list[FacilityDevice]


#: How good a figure is, in one word.
QualityWord = Literal["measured", "partial", "missing", "substituted", "estimated"]


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


Totals = dict[Window, Total]


class LiveSource(Answer):
    """The present state of a source."""

    id: str = Field(examples=["stack-1"])
    name: str = Field(examples=["Kiln 1"], description="display name; default: the id")
    scope: Literal[1, 2, 3] = Field(examples=[1])
    active: bool = Field(
        description="false: removed from the facility file; past emissions still count"
    )
    counts: bool = Field(
        description="false: excluded from sums, because it checks another source or because an"
        " active source counts the readings of this retired one"
    )
    rate_kg_h: float | None = Field(
        examples=[10180.2], description="kg CO2 per hour; `null`: no data in the last 15 minutes"
    )
    totals: Totals
    newest_minute: datetime | None = Field(description="latest minute with data")


class ScopeTotals(Answer):
    """Emissions of one scope."""

    scope: Literal[1, 2, 3] = Field(examples=[2])
    totals: Totals


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
    totals: Totals
    scopes: list[ScopeTotals]
    sources: list[LiveSource]
    checks: list[Check]
    alerts: list[Alert] = Field(description="alerts that are firing, the latest 1 000")
    sequence: int = Field(examples=[4711], description="increases with every change of the totals")
    changed_at: datetime | None = Field(description="when the totals last changed")
    newest_minute: datetime | None = Field(description="latest minute with data")


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
        examples=[True], description="false: excluded from sums, because it checks another source"
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


class Report(Answer):
    """A quarter or year of one stack, as its rule requires it to be reported."""

    time: datetime = Field(examples=["2026-07-01T04:00:00Z"], description="start of the period")
    ends: datetime = Field(
        examples=["2026-10-01T04:00:00Z"], description="end of the period, exclusive"
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


class ReadingRow(Answer):
    """One reading."""

    time: datetime = Field(examples=["2026-11-23T18:00:00.25Z"])
    device: str = Field(examples=["cems-1"])
    channel: str = Field(examples=["co2"])
    value: float | None = Field(examples=[12.5], description="`null`: the device reported no value")
    unit: str = Field(examples=["%"])
    quality: QualityName = Field(examples=["good"])
    facility: str = Field(examples=["linz"], description="the facility of the device")
    over_full_scale: bool = Field(
        examples=[False], description="whether the value is above the channel's `full_scale`"
    )


class ProcessState(Answer):
    """A process that writes totals."""

    ready: bool
    age_s: float | None = Field(
        examples=[0.8], description="seconds since its main loop last made progress"
    )


class ReadyNotice(Answer):
    """Something that needs attention although answers are correct."""

    code: str = Field(examples=["quarantine-full"], description="stable across versions")
    process: str = Field(examples=["ingest"])
    detail: str = Field(description="what is wrong and what to do")


class Ready(Answer):
    """Whether answers are current, and if not, why."""

    ready: bool
    database: bool
    schema_current: bool
    processes: dict[str, ProcessState]
    missing: list[str] = Field(examples=[["ingest is not running; start `tonne ingest`"]])
    warnings: list[str] = Field(
        examples=[
            ["quarantine is full: ingest dropped 12 refused messages in the last two minutes"]
        ],
        description="what needs attention although answers are correct",
    )
    notices: list[ReadyNotice] = Field(description="the same warnings with their codes")


class QuarantineRow(Answer):
    """A quarantined message or reading."""

    id: int
    time: datetime = Field(description="when the message arrived")
    reason: str = Field(examples=["unknown_channel"])
    detail: str = Field(description="what is wrong and what to do")
    topic: str = Field(examples=["emissions/linz/cems-1/readings"])
    facility: str | None
    device: str | None
    channel: str | None
    ts: datetime | None = Field(description="time of the reading, if it could be read")
    value: float | None
    stored_value: float | None = Field(
        description="for a conflict: the stored value of the same channel and time"
    )
    quality: QualityName | None = Field(description="quality of the reading as sent")
    stored_quality: QualityName | None = Field(
        description="for a conflict: quality of the stored value; `null`: not a conflict"
    )
    state: Literal["open", "replayed", "accepted", "discarded"]
    settled_at: datetime | None
    payload: str | None = Field(description="the raw message as text; `null` if it is not UTF-8")
    payload_base64: str | None = Field(description="the raw message, if it is not UTF-8")
    payload_bytes: int = Field(
        description="size of the message; only the beginning of a large one is shown"
    )


class Replay(Answer):
    """A replay of quarantined entries."""

    id: int = Field(examples=[3])
    state: Literal["waiting", "running", "done"] = Field(
        description="`waiting`: ingest has not started it; it runs one replay at a time"
    )
    requested_at: datetime
    requested_by: str = Field(examples=["key operations"])
    note: str | None
    accept: bool = Field(description="whether conflicts replace the stored value")
    entries: int = Field(examples=[120], description="number of open entries selected")
    tried: int = Field(examples=[120])
    restored: int = Field(
        examples=[118], description="entries that left quarantine; their readings are now stored"
    )
    accepted: int = Field(
        examples=[1],
        description="conflicts that replaced the stored value; their hours are restated",
    )
    refused: dict[str, int] = Field(
        examples=[{"unknown_channel": 1}], description="entries still in quarantine, by reason"
    )
    finished_at: datetime | None


class Applied(Answer):
    """What applying a facility file changed."""

    changes: list[str] = Field(examples=[["facility linz added"]])
    warnings: list[str] = Field(description="configuration that is valid but may be unintended")
    restated: list[str] = Field(
        description="what will be recomputed, from when and why",
        examples=[["source grid from 2026-01-01T00:00Z: factor version: grid, ..."]],
    )
    dry_run: bool = Field(description="true: nothing was changed; this is what would change")


class Retired(Answer):
    """A facility that was or would be retired, and what is no longer in force."""

    facility: str = Field(examples=["linz"])
    name: str = Field(examples=["Linz works"])
    retired_at: datetime | None = Field(
        description="time of retirement; `null`: a dry run of a facility in force",
        examples=["2026-11-23T18:00:00Z"],
    )
    retired_by: str | None = Field(examples=["key operations"])
    reason: str | None = Field(examples=["kiln sold"])
    devices: list[str] = Field(
        examples=[["meter-grid"]], description="devices whose messages go to quarantine"
    )
    sources: list[str] = Field(
        examples=[["grid"]], description="sources whose totals stay and whose open hours are closed"
    )
    thresholds: list[str] = Field(
        examples=[["site-rate"]],
        description="thresholds that are no longer evaluated; their open alerts end",
    )
    dry_run: bool = Field(description="true: nothing was changed; this is what would change")


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
    mean: float | None = Field(None, description="for a gauge: time-weighted mean")
    amount: float | None = Field(None, description="for any other channel: sum")
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
    activity: float | None
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
    activity_unit: str | None
    method: str = Field(examples=["stack"])
    configuration: dict[str, object] = Field(description="the source's entry in the facility file")
    configured_at: datetime
    equation: dict[str, object] | None = Field(
        description="for a stack: id, citation, unit, inputs and diluent"
    )
    factor: dict[str, object] | None = Field(
        description="for an activity: the factor version applied, its citation, and the factor per"
        " unit of activity"
    )
    market_factor: dict[str, object] | None = Field(
        description="for scope 2: the market-based factor"
    )
    closing: dict[str, object] | None = Field(
        description="for a stack under a rule: validity and substitution policy, each input as"
        " recorded with its verdict, method code and substitute (`least_known`: its average with"
        " readings above full scale, below which nothing stands in), the reported rate,"
        " calibrations, audits with their bias factor, and the load with its range"
    )
    derived: dict[str, object] | None = Field(
        description="for an activity of a derived channel: the channel, its quantity and unit, and"
        " the formula over the inputs, each of which has the role of its own name"
    )
    inputs: list[ExplainedInput]
    minutes: list[ExplainedMinute]
    versions: list[HourVersion] = Field(description="oldest first")
