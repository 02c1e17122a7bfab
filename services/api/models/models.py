"""The shapes of answers, as the specification shows them and the tests hold them."""

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
    name: str = Field(examples=["Kiln 1"], description="its id where the file gives it no name")
    scope: Literal[1, 2, 3] = Field(examples=[1])
    method: str = Field(examples=["stack"])


class FacilityDevice(Answer):
    """A device of a facility, and what was heard of it."""

    id: str = Field(examples=["cems-1"])
    name: str = Field(
        examples=["Analyser, kiln 1"], description="its id where the file gives it no name"
    )
    last_seen: datetime | None = Field(
        description="when its newest message came; `null`: none yet",
        examples=["2026-11-23T18:00:02Z"],
    )
    online: bool | None = Field(
        description="what its status topic last said; `null`: never anything", examples=[True]
    )
    status_at: datetime | None = Field(
        description="when it said so", examples=["2026-11-23T06:12:40Z"]
    )


class Facility(Answer):
    """A facility with its active sources and devices."""

    id: str = Field(examples=["linz"])
    name: str = Field(examples=["Linz works"])
    timezone: str = Field(examples=["Europe/Vienna"], description="IANA name")
    retired_at: datetime | None = Field(
        description="null: it is in force; else its history alone is there, and `sources` and"
        " `devices` are those it had"
    )
    sources: list[FacilitySource]
    devices: list[FacilityDevice]


class Shares(Answer):
    """How much of a window's time each method stands for; the four add up to 1."""

    measured: float = Field(
        ge=0,
        le=1,
        examples=[0.9583],
        description="by readings; of an hour under a rule that found it valid, the whole hour",
    )
    substituted: float = Field(
        ge=0, le=1, examples=[0.0417], description="hours that a rule put a substitute for"
    )
    estimated: float = Field(
        ge=0,
        le=1,
        examples=[0.0],
        description="between readings of a register that lie far apart, known in sum only; and"
        " what rests on uncertain readings",
    )
    missing: float = Field(ge=0, le=1, examples=[0.0], description="nothing is known")


class Total(Answer):
    """What was emitted in a window."""

    co2_kg: float | None = Field(examples=[10234.5], description="null: nothing is known")
    co2e_kg: float | None = Field(examples=[10251.25])
    co2_market_kg: float | None = Field(
        examples=[10234.5],
        description="scope 2 market-based; as co2_kg where no contract says otherwise",
    )
    co2_low_kg: float | None = Field(
        examples=[9978.6],
        description="lower end of the 95 % interval of co2_kg; null: not every meter and factor"
        " in it states its uncertainty",
    )
    co2_high_kg: float | None = Field(examples=[10490.4], description="upper end")
    coverage: float = Field(
        ge=0,
        le=1,
        examples=[0.9993],
        description="part of the window that readings cover, 0 to 1",
    )
    shares: Shares


Totals = dict[Window, Total]


class LiveSource(Answer):
    """A source now."""

    id: str = Field(examples=["stack-1"])
    name: str = Field(examples=["Kiln 1"], description="its id where the file gives it no name")
    scope: Literal[1, 2, 3] = Field(examples=[1])
    active: bool = Field(
        description="false: the facility file names it no more; what it emitted stays in the totals"
    )
    counts: bool = Field(
        description="false: it counts in no sum, for it checks another source, or an active source"
        " counts the readings of this retired one"
    )
    rate_kg_h: float | None = Field(
        examples=[10180.2], description="kg CO2 per hour; null: nothing known in 15 minutes"
    )
    totals: Totals
    newest_minute: datetime | None = Field(description="newest minute with data")


class ScopeTotals(Answer):
    """What the counting sources of one scope emitted."""

    scope: Literal[1, 2, 3] = Field(examples=[2])
    totals: Totals


class Difference(Answer):
    """How far a source is from its check."""

    difference_kg: float | None = Field(examples=[-12.5], description="source - check")
    difference_percent: float | None = Field(examples=[-1.2], description="of the check")


class Check(Answer):
    """A source and the one that measures the same emission another way."""

    source: str = Field(examples=["boiler"])
    check: str = Field(examples=["stack-1"])
    totals: dict[Window, Difference]


class Live(Answer):
    """A facility now."""

    as_of: datetime
    facility: str = Field(examples=["linz"])
    rate_kg_h: float | None = Field(examples=[10592.7])
    totals: Totals
    scopes: list[ScopeTotals]
    sources: list[LiveSource]
    checks: list[Check]
    alerts: list[Alert] = Field(description="those that fire now, the newest 1 000")
    sequence: int = Field(examples=[4711], description="rises with every change of the totals")
    changed_at: datetime | None = Field(description="when the totals last changed")
    newest_minute: datetime | None = Field(description="newest minute with data")


class Emission(Answer):
    """What one source emitted in one interval."""

    time: datetime = Field(description="start of the interval")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3] = Field(examples=[1])
    co2_kg: float | None = Field(examples=[848.5], description="null: nothing is known")
    co2e_kg: float | None = Field(examples=[849.25])
    coverage: float = Field(ge=0, le=1, examples=[1.0])
    quality: Literal["measured", "partial", "missing", "substituted", "estimated"]
    version: int | None = Field(
        examples=[1],
        description="version of the hour, the highest of several; null: never computed",
    )
    activity: float | None = Field(examples=[412.5])
    activity_unit: str | None = Field(examples=["kWh"])
    state: Literal["provisional", "final"]
    co2_market_kg: float | None = Field(
        examples=[848.5],
        description="scope 2 market-based; as co2_kg where no contract says otherwise",
    )
    co2_low_kg: float | None = Field(
        examples=[827.3],
        description="lower end of the 95 % interval of co2_kg; null: not every meter and factor"
        " in it states its uncertainty",
    )
    co2_high_kg: float | None = Field(examples=[869.7], description="upper end")
    counts: bool = Field(description="false: it checks another source and counts in no sum")
    share_measured: float = Field(
        ge=0,
        le=1,
        examples=[1.0],
        description="of the interval's time: by readings; of an hour under a rule that found it"
        " valid, the whole hour",
    )
    share_substituted: float = Field(ge=0, le=1, examples=[0.0])
    share_estimated: float = Field(
        ge=0,
        le=1,
        examples=[0.0],
        description="between a register's readings that lie far apart, or from uncertain readings",
    )
    share_missing: float = Field(ge=0, le=1, examples=[0.0], description="nothing is known")
    source_name: str = Field(
        examples=["Kiln 1"], description="its id where the file gives it no name"
    )


class Report(Answer):
    """A quarter or year of one stack, as its rule reports it."""

    time: datetime = Field(description="start of the period")
    ends: datetime = Field(description="its end, exclusive")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3] = Field(examples=[1])
    period: str = Field(examples=["2026-Q3", "2026"])
    equation: str = Field(examples=["F-11"])
    citation: str = Field(examples=["40 CFR 75 App. F, eq. F-11"])
    unit: str = Field(examples=["short ton"])
    value: float | None = Field(
        examples=[812345.6], description="rounded once; null: not computable, or nothing judged"
    )
    unrounded: float | None = Field(examples=[812345.625])
    co2_kg: float | None = Field(examples=[736947537.8], description="`value` in kg")
    operating_h: float = Field(examples=[2190.25], description="hours of operation as reported")
    hours: int = Field(examples=[2208], description="hours that were judged")
    hours_waiting: int = Field(
        examples=[0], description="hours that are over and have no final figure yet"
    )
    state: Literal["provisional", "final"]
    reason: str | None = Field(
        examples=["hour 2026-08-03T10:00:00Z operated and has no rate"],
        description="why there is no value",
    )


class Restatement(Answer):
    """A change of an hour after it was closed."""

    time: datetime = Field(description="start of the hour")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3] = Field(examples=[1])
    version: int = Field(examples=[2], description="that the change made")
    old_co2_kg: float | None = Field(examples=[848.5], description="null: nothing was known")
    new_co2_kg: float | None = Field(examples=[850.0])
    difference_kg: float | None = Field(examples=[1.5], description="new - old; null counts as 0")
    old_co2e_kg: float | None
    new_co2e_kg: float | None
    old_quality: Literal["measured", "partial", "missing", "substituted", "estimated"]
    new_quality: Literal["measured", "partial", "missing", "substituted", "estimated"]
    reason: str = Field(
        examples=["late readings"],
        description="late readings, value held on, accepted correction, factor version, channel"
        " configuration, register epoch, source configuration, source added, substitution"
        " resolved or recomputation",
    )
    cause: str | None = Field(
        examples=["cems-1.co2"], description="what or who caused it: channels, rows, people"
    )
    known_at: datetime = Field(description="when the new version came to be")


class ReadingRow(Answer):
    """One reading."""

    time: datetime
    device: str = Field(examples=["cems-1"])
    channel: str = Field(examples=["co2"])
    value: float | None = Field(examples=[12.5], description="null: the device said it has none")
    unit: str = Field(examples=["%"])
    quality: QualityName
    facility: str = Field(examples=["linz"], description="whose device it is")


class ProcessState(Answer):
    """A process that writes totals."""

    ready: bool
    age_s: float | None = Field(examples=[0.8], description="since the last turn of its main loop")


class ReadyNotice(Answer):
    """Something to look at while answers can be trusted."""

    code: str = Field(examples=["quarantine-full"], description="stays the same for ever")
    process: str = Field(examples=["ingest"])
    detail: str = Field(description="what is wrong and what to do")


class Ready(Answer):
    """Whether answers can be trusted, and what is missing if not."""

    ready: bool
    database: bool
    schema_current: bool
    processes: dict[str, ProcessState]
    missing: list[str] = Field(examples=[["ingest does not run; start `tonne ingest`"]])
    warnings: list[str] = Field(
        examples=[["quarantine is full: ingest dropped 12 refusals in the last 2 minutes"]],
        description="what somebody should look at while answers can be trusted",
    )
    notices: list[ReadyNotice] = Field(description="the same warnings with their codes")


class QuarantineRow(Answer):
    """One refusal."""

    id: int
    time: datetime = Field(description="when the message arrived")
    reason: str = Field(examples=["unknown_channel"])
    detail: str = Field(description="what is wrong and what to do")
    topic: str = Field(examples=["emissions/linz/cems-1/readings"])
    facility: str | None
    device: str | None
    channel: str | None
    ts: datetime | None = Field(description="the reading's own time, where it could be read")
    value: float | None
    stored_value: float | None = Field(
        description="for a conflict: the value that is stored under the same channel and time"
    )
    quality: QualityName | None = Field(description="of one reading: as it was sent")
    stored_quality: QualityName | None = Field(
        description="for a conflict: the quality of the stored value; null: not a conflict"
    )
    state: Literal["open", "replayed", "accepted", "discarded"]
    settled_at: datetime | None
    payload: str | None = Field(description="the raw bytes as text; null if they are not UTF-8")
    payload_base64: str | None = Field(description="the raw bytes, if they are not UTF-8")
    payload_bytes: int = Field(description="size of the message; of a large one the start is shown")


class Replay(Answer):
    """A second try of entries of quarantine."""

    id: int = Field(examples=[3])
    state: Literal["waiting", "running", "done"] = Field(
        description="`waiting`: ingest has not begun; it serves one replay at a time"
    )
    requested_at: datetime
    requested_by: str = Field(examples=["key operations"])
    note: str | None
    accept: bool = Field(description="whether conflicts replace what is stored")
    entries: int = Field(examples=[120], description="how many open entries were meant")
    tried: int = Field(examples=[120])
    restored: int = Field(
        examples=[118], description="left quarantine: what they hold is stored now"
    )
    accepted: int = Field(
        examples=[1],
        description="conflicts that replaced what was stored; their hours are restated",
    )
    refused: dict[str, int] = Field(
        examples=[{"unknown_channel": 1}], description="still in quarantine, by reason"
    )
    finished_at: datetime | None


class Applied(Answer):
    """What a facility file changed."""

    changes: list[str] = Field(examples=[["facility linz added"]])
    warnings: list[str] = Field(description="what can be computed and may still surprise")
    restated: list[str] = Field(
        description="what is computed again, from when and why",
        examples=[["source grid from 2026-01-01T00:00Z: factor version: grid, ..."]],
    )
    dry_run: bool = Field(description="true: nothing was changed, this is what would be")


class Retired(Answer):
    """A facility that is retired, or would be, and what of it is no longer in force."""

    facility: str = Field(examples=["linz"])
    name: str = Field(examples=["Linz works"])
    retired_at: datetime | None = Field(
        description="since when; null: it would be retired, this was a dry run",
        examples=["2026-11-23T18:00:00Z"],
    )
    retired_by: str | None = Field(examples=["key operations"])
    reason: str | None = Field(examples=["kiln sold"])
    devices: list[str] = Field(
        examples=[["meter-grid"]], description="what they send goes to quarantine"
    )
    sources: list[str] = Field(
        examples=[["grid"]], description="their totals stay, their running hours are closed"
    )
    thresholds: list[str] = Field(
        examples=[["site-rate"]], description="they are evaluated no longer; open alerts end"
    )
    dry_run: bool = Field(description="true: nothing was changed, this is what would be")


class HourVersion(Answer):
    """One version of an hour."""

    version: int
    co2_kg: float | None = Field(examples=[10180.2])
    co2e_kg: float | None = Field(examples=[10180.2])
    co2_market_kg: float | None = Field(examples=[10180.2])
    activity: float | None
    coverage: float = Field(ge=0, le=1)
    quality: Literal["measured", "partial", "missing", "substituted", "estimated"]
    code: str | None = Field(description="method code of the policy that judged the hour")
    state: Literal["provisional", "final"]
    reason: str = Field(examples=["closed"], description="why this version came to be")
    known_at: datetime
    superseded_at: datetime | None = Field(description="null: in force")


class ExplainedInput(Answer):
    """One input of the hour, in its channel's unit."""

    role: str = Field(examples=["co2"])
    device: str = Field(examples=["cems-1"])
    channel: str = Field(examples=["co2"])
    quantity: str = Field(examples=["fraction"])
    unit: str = Field(examples=["%"])
    kind: Literal["counter", "gauge", "interval"]
    mean: float | None = Field(None, description="of a gauge: weighted by time")
    amount: float | None = Field(None, description="of a counter or interval channel")
    covered_s: float = Field(description="seconds of the hour that are known")
    readings: dict[str, object] = Field(
        description="count, gaps, by_quality, min, mean, max, first and last, as sent"
    )
    held: list[dict[str, object]] = Field(
        description="of a register: steps not counted until a later reading confirms or retracts"
        " them"
    )
    incidents: list[dict[str, object]] = Field(
        description="of a register: rollovers, resets, transients, jitter and jumps, and what was"
        " counted"
    )


class ExplainedMinute(Answer):
    """One minute of the hour."""

    time: datetime
    co2_kg: float | None = Field(description="as measured")
    co2e_kg: float | None
    closing_kg: float = Field(
        description="the minute's share of what closing the hour by its rule added"
    )
    activity: float | None
    coverage: float = Field(ge=0, le=1)
    inputs: dict[str, float | None] = Field(description="mean or amount of each input, by role")


class Explanation(Answer):
    """All that led to the total of one source's hour."""

    facility: str = Field(examples=["linz"])
    facility_retired_at: datetime | None = Field(description="null: it is in force")
    source: str = Field(examples=["stack-1"])
    scope: Literal[1, 2, 3]
    hour: datetime
    as_of: datetime
    total: HourVersion | None = Field(description="the version in force; null: never computed")
    activity_unit: str | None
    method: str = Field(examples=["stack"])
    configuration: dict[str, object] = Field(description="the source's part of the facility file")
    configured_at: datetime
    equation: dict[str, object] | None = Field(
        description="of a stack: id, citation, unit, inputs and diluent"
    )
    factor: dict[str, object] | None = Field(
        description="of an activity: the version that holds, its citation, and what it comes to"
    )
    market_factor: dict[str, object] | None = Field(description="scope 2: the market-based one")
    closing: dict[str, object] | None = Field(
        description="of a stack under a rule: validity and substitution policy, each input as"
        " recorded with its verdict and what stood in for it, the reported rate, calibrations,"
        " audits with their bias factor, the load and its range"
    )
    inputs: list[ExplainedInput]
    minutes: list[ExplainedMinute]
    versions: list[HourVersion] = Field(description="oldest first")
