"""Bodies of answers about thresholds, alerts and maintenance."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

AlertState = Literal["firing", "no-data", "resolved"]
ThresholdState = Literal["inactive", "pending", "firing", "firing-no-data", "resolved", "no-data"]


class Alert(BaseModel):
    """A threshold that was exceeded for a time."""

    model_config = ConfigDict(extra="forbid")

    id: int = Field(examples=[17])
    facility: str = Field(examples=["linz"])
    threshold: str = Field(examples=["stack-1-hourly"])
    version: int = Field(examples=[1], description="version of the threshold when the alert fired")
    state: AlertState = Field(
        examples=["firing"],
        description="`no-data`: the alert fired and the data then stopped; it has not ended",
    )
    projected: bool = Field(
        examples=[False],
        description="true: the limit will be exceeded if the present rate continues",
    )
    source: str | None = Field(examples=["stack-1"])
    scope: int | None = Field(examples=[None])
    device: str | None = Field(examples=[None])
    channel: str | None = Field(examples=[None])
    measure: str = Field(examples=["total"])
    window: str | None = Field(examples=["1h"])
    severity: Literal["info", "warning", "critical"] = Field(examples=["critical"])
    message: str | None = Field(examples=[None])
    value: float | None = Field(
        examples=[12040.5], description="value when it fired, in the unit of the measure"
    )
    direction: Literal["above", "below"] = Field(examples=["above"])
    limit: float = Field(examples=[12000])
    started_at: datetime = Field(
        examples=["2026-11-23T16:58:00Z"], description="first minute beyond the limit"
    )
    fired_at: datetime = Field(
        examples=["2026-11-23T17:00:00Z"],
        description="minute in which the value had been beyond the limit for long enough",
    )
    resolved_at: datetime | None = Field(examples=[None])
    crosses_at: datetime | None = Field(
        examples=[None], description="for a projected alert: when the limit will be reached"
    )
    room: float | None = Field(
        examples=[None], description="for a projected alert: what is left before the limit"
    )
    acked_at: datetime | None = Field(examples=[None])
    acked_by: str | None = Field(examples=[None])
    undone_at: datetime | None = Field(
        examples=[None],
        description="when changed data showed that the limit was not exceeded; the alert is kept",
    )
    undone_by: str | None = Field(examples=[None], description="why the data changed")
    ended_by: str | None = Field(
        examples=[None],
        description="what ended it where its values did not: its threshold was deleted, or the"
        " facility was retired",
    )
    data_version: int = Field(
        examples=[4711], description="version of the facility's totals that the alert is based on"
    )
    present_value: float | None = Field(
        examples=[12055.0],
        description="newest value of what is watched, in the same unit; `null`: unknown, or over",
    )
    present_at: datetime | None = Field(
        examples=["2026-11-23T17:04:00Z"],
        description="minute that the newest value is of, by data time: a rate of which nothing"
        " newer is known counts for some minutes more",
    )
    comment: str | None = Field(examples=[None], description="the newest comment")
    reason: str | None = Field(
        examples=[None, "start-up"],
        description="why it fired: the newest code that was given, of `GET /v1/alerts/codes`",
    )
    action: str | None = Field(
        examples=[None, "load-reduced"], description="what was done: the newest code, likewise"
    )
    maintenance: str | None = Field(
        examples=[None], description="the maintenance that suppressed its notifications"
    )
    source_name: str | None = Field(
        examples=["Kiln 1"], description="display name of the source; default: the id"
    )
    device_name: str | None = Field(
        examples=[None, "Analyser, kiln 1"],
        description="display name of the device, or of the channel's device",
    )
    unit: str | None = Field(
        examples=["kg"], description="unit of value, limit and room; `null`: the channel is gone"
    )
    figure: str | None = Field(
        examples=["co2", "co2e"],
        description="the mass that is watched, of a measure of one: `co2`, `co2e`, `market` or"
        " `co2_biogenic`",
    )
    pollutant: str | None = Field(
        examples=[None, "nox"], description="pollutant of the source whose limits are watched"
    )


class AlertCoursePoint(BaseModel):
    """What a threshold of an alert watched, in some minutes one after the other."""

    model_config = ConfigDict(extra="forbid")

    alert: int = Field(examples=[17])
    facility: str = Field(examples=["linz"])
    time: datetime = Field(examples=["2026-11-23T16:55:00Z"], description="begin of the minutes")
    interval_s: int = Field(examples=[60], description="length of the minutes together")
    value: float | None = Field(
        examples=[12040.5],
        description="last value of them, in the unit of the alert; `null`: unknown in all of them",
    )
    low: float | None = Field(examples=[11890.0], description="lowest value of them")
    high: float | None = Field(examples=[12040.5], description="highest value of them")
    share_missing: float = Field(
        examples=[0.0], description="share of the minutes in which the value is unknown"
    )
    is_incomplete: bool = Field(
        examples=[False], description="the rate of one of its sources is unknown in some of them"
    )
    is_substituted: bool = Field(
        examples=[False],
        description="a part of the value was filled in by the rule of a source, not measured",
    )


class AlertTransition(BaseModel):
    """A change of a threshold's state."""

    at: datetime
    state: ThresholdState
    projected: bool
    value: float | None
    limit: float
    data_version: int
    judged_at: datetime
    undone_at: datetime | None


class AlertComment(BaseModel):
    """A comment on an alert."""

    at: datetime
    by: str
    comment: str | None
    reason: str | None
    action: str | None


class AlertCodeRow(BaseModel):
    """A code of a facility for its alerts."""

    model_config = ConfigDict(extra="forbid")

    facility: str = Field(examples=["linz"])
    kind: Literal["reason", "action"] = Field(
        examples=["reason"], description="why an alert fired, or what was done"
    )
    code: str = Field(examples=["start-up"])
    text: str = Field(examples=["Start-up"], description="what people read")


class AlertWithHistory(Alert):
    """An alert with its state transitions and comments."""

    transitions: list[AlertTransition]
    comments: list[AlertComment]


class ThresholdRow(BaseModel):
    """A threshold; PUT accepts it in this form."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    facility: str = Field(examples=["linz"])
    id: str = Field(examples=["stack-1-hourly"])
    origin: Literal["file", "api"] = Field(
        examples=["file"],
        description="where it is defined, and can be changed: the facility file or the API",
    )
    version: int = Field(examples=[1])
    in_force_from: datetime = Field(examples=["2026-11-01T00:00:00Z"])
    state: ThresholdState = Field(examples=["firing"])
    since: datetime | None = Field(examples=["2026-11-23T17:00:00Z"])
    source: str | None = Field(examples=["stack-1"])
    scope: int | None = Field(examples=[None])
    channel: str | None = Field(examples=[None])
    device: str | None = Field(examples=[None])
    measure: str = Field(examples=["total"])
    window: str | None = Field(examples=["1h"])
    budget: float | None = Field(examples=[None])
    above: float | None = Field(examples=[12000.0])
    below: float | None = Field(examples=[None])
    confidence_interval: float | None = Field(
        examples=[20.0],
        description="percent of the limit taken off what is measured before it is compared",
    )
    clear_below: float | None = Field(examples=[11500.0])
    clear_above: float | None = Field(examples=[None])
    for_: str = Field(
        alias="for", description="how long the value must be beyond the limit", examples=["2m"]
    )
    for_s: float = Field(examples=[120.0], description="`for` in seconds")
    severity: Literal["info", "warning", "critical"] = Field(examples=["critical"])
    message: str | None = Field(examples=[None])
    projected: bool = Field(
        examples=[False],
        description="whether an alert fires in advance, based on the present rate",
    )
    source_name: str | None = Field(
        examples=["Kiln 1"], description="display name of the source; default: the id"
    )
    device_name: str | None = Field(
        examples=["Analyser, kiln 1"],
        description="display name of the device, or of the channel's device",
    )
    unit: str | None = Field(examples=["kg"], description="unit of the limit")
    figure: str | None = Field(
        examples=["co2", "co2e"],
        description="the mass that is watched, of a measure of one: `co2`, `co2e`, `market` or"
        " `co2_biogenic`",
    )
    pollutant: str | None = Field(
        examples=[None, "nox"], description="pollutant of the source whose limits are watched"
    )


class MaintenanceRow(BaseModel):
    """A time span in which alerts are evaluated and stored, but nobody is notified."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    facility: str = Field(examples=["linz"])
    id: str = Field(examples=["overhaul-2026"])
    origin: Literal["file", "api"] = Field(examples=["api"])
    from_: datetime = Field(alias="from", examples=["2026-12-01T06:00:00Z"])
    to: datetime = Field(examples=["2026-12-03T18:00:00Z"], description="exclusive")
    sources: list[str] | None = Field(
        examples=[["stack-1"]], description="`null`, with `thresholds` null: the whole facility"
    )
    thresholds: list[str] | None = Field(examples=[None])
    reason: str = Field(examples=["overhaul of kiln 1"])
    stated_by: str | None = Field(examples=["key operations"])
    stated_at: datetime = Field(examples=["2026-11-20T09:00:00Z"])


class Changed(BaseModel):
    """What a call changed."""

    model_config = ConfigDict(extra="forbid")

    changes: list[str] = Field(examples=[["+ threshold stack-1-hourly"]])


class Annotation(BaseModel):
    """An event to mark in a chart."""

    model_config = ConfigDict(extra="forbid")

    time: datetime = Field(examples=["2026-11-23T17:00:00Z"])
    timeEnd: datetime | None = Field(  # noqa: N815 - as Grafana names it
        examples=["2026-11-23T17:20:00Z"], description="`null`: an instant, or it has not ended"
    )
    title: str = Field(examples=["stack-1-hourly"])
    text: str = Field(examples=["total 1h 12040.5, limit 12000"])
    tags: list[str] = Field(examples=[["alert", "linz", "stack-1"]])
