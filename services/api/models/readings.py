"""Rows of readings."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.api.models.answer import Answer, QualityName


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
    derived: bool = Field(
        examples=[False],
        description="whether the channel is derived: computed from the readings of others. Of"
        " gauges it has a value at each time at which one of them has one while all are known, of"
        " amounts that of each minute",
    )
    thinned: bool = Field(
        examples=[False],
        description="whether the channel has more readings in the span than `max_points`: its rows"
        " are then the lowest and highest of time spans. `raw=true` gives all",
    )
