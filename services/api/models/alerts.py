"""The shapes of answers about thresholds and alerts, as the specification shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

AlertState = Literal["firing", "no-data", "resolved"]
ThresholdState = Literal["inactive", "pending", "firing", "firing-no-data", "resolved", "no-data"]


class Alert(BaseModel):
    """A period in which a threshold fired."""

    model_config = ConfigDict(extra="forbid")

    id: int = Field(examples=[17])
    facility: str = Field(examples=["linz"])
    threshold: str = Field(examples=["stack-1-hourly"])
    version: int = Field(description="of the threshold, when it fired")
    state: AlertState = Field(
        description="no-data: it fired and its value is unknown now, which does not end it"
    )
    projected: bool = Field(
        description="the limit is not passed yet, but will be at the present rate"
    )
    source: str | None
    scope: int | None
    device: str | None
    channel: str | None
    measure: str = Field(examples=["total"])
    window: str | None = Field(examples=["1h"])
    severity: Literal["info", "warning", "critical"]
    message: str | None
    value: float | None = Field(description="when it fired, in the unit of the measure")
    direction: Literal["above", "below"]
    limit: float = Field(examples=[12000])
    started_at: datetime = Field(description="first minute beyond the limit")
    fired_at: datetime = Field(description="the minute in which it had lasted long enough")
    resolved_at: datetime | None
    crosses_at: datetime | None = Field(description="projected: when the limit will be passed")
    room: float | None = Field(description="projected: what is left up to the limit")
    acked_at: datetime | None
    acked_by: str | None
    undone_at: datetime | None = Field(
        description="when changed data retracted it: the limit was not passed; the alert stays"
    )
    undone_by: str | None = Field(description="why the data changed")
    ended_by: str | None = Field(
        description="what ended it where its values did not: its threshold was deleted, or the"
        " facility was retired"
    )
    data_version: int = Field(description="version of the facility's totals that it follows from")
    comment: str | None = Field(description="the newest comment")
    maintenance: str | None = Field(description="the maintenance that muted it")
    source_name: str | None = Field(
        examples=["Kiln 1"], description="name of the source, its id where the file gives it none"
    )
    device_name: str | None = Field(
        examples=["Analyser, kiln 1"],
        description="name of the device, or of the channel's device",
    )
    unit: str | None = Field(
        examples=["kg"], description="of value, limit and room; null: the channel is gone"
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
    comment: str


class AlertWithHistory(Alert):
    """An alert with its transitions and comments."""

    transitions: list[AlertTransition]
    comments: list[AlertComment]


class ThresholdRow(BaseModel):
    """A threshold; PUT accepts it as GET returns it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    facility: str = Field(examples=["linz"])
    id: str = Field(examples=["stack-1-hourly"])
    origin: Literal["file", "api"] = Field(description="where it is defined, and can be changed")
    version: int
    in_force_from: datetime
    state: ThresholdState
    since: datetime | None
    source: str | None
    scope: int | None
    channel: str | None
    device: str | None
    measure: str
    window: str | None
    budget: float | None
    above: float | None
    below: float | None
    clear_below: float | None
    clear_above: float | None
    for_: str = Field(alias="for", description="how long the limit must be passed", examples=["2m"])
    for_s: float = Field(description="the same in seconds")
    severity: Literal["info", "warning", "critical"]
    message: str | None
    projected: bool = Field(
        description="fires before the limit is passed, if the present rate leads there"
    )
    source_name: str | None = Field(
        examples=["Kiln 1"], description="name of the source, its id where the file gives it none"
    )
    device_name: str | None = Field(
        examples=["Analyser, kiln 1"],
        description="name of the device, or of the channel's device",
    )
    unit: str | None = Field(examples=["kg"], description="of the limit")


class MaintenanceRow(BaseModel):
    """A period in which alerts are recorded and nobody is notified."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    facility: str
    id: str
    origin: Literal["file", "api"]
    from_: datetime = Field(alias="from")
    to: datetime = Field(description="exclusive")
    sources: list[str] | None = Field(description="with thresholds null: the whole facility")
    thresholds: list[str] | None
    reason: str
    stated_by: str | None
    stated_at: datetime


class Changed(BaseModel):
    """What a call changed."""

    model_config = ConfigDict(extra="forbid")

    changes: list[str] = Field(examples=[["+ threshold stack-1-hourly"]])


class Annotation(BaseModel):
    """A note on a period of a chart."""

    model_config = ConfigDict(extra="forbid")

    time: datetime
    timeEnd: datetime | None  # noqa: N815 - as Grafana names it
    title: str
    text: str
    tags: list[str] = Field(examples=[["alert", "linz", "stack-1"]])
