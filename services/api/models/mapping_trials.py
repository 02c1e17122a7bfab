"""What a mapping makes of a message before it is applied."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class MappingTrialRow(Answer):
    """What would become of a channel's value, or why it would go to quarantine."""

    topic: str = Field(examples=["tele/pow1/SENSOR"])
    verdict: Literal["taken", "refused", "absent"] = Field(
        examples=["taken"],
        description="`taken`: it would be stored; `refused`: it would go to quarantine; `absent`:"
        " the message says nothing of the channel",
    )
    device: str | None = Field(examples=["pow1"])
    channel: str | None = Field(
        examples=["energy"], description="`null`: the message is refused as a whole"
    )
    value: float | None = Field(
        examples=[12.5], description="in the unit, scale and offset worked in; `null`: a gap"
    )
    unit: str | None = Field(examples=["kWh"])
    stored: float | None = Field(
        examples=[12.5], description="as it would be stored, before scale and offset"
    )
    kind: str | None = Field(examples=["counter"])
    quality: str | None = Field(examples=["good"])
    time: datetime | None = Field(examples=["2026-11-23T18:00:00Z"])
    timed_by: str | None = Field(
        examples=["Time"], description="where the time stands, or `arrival`"
    )
    from_: str | None = Field(
        alias="from", examples=["ENERGY.Total"], description="where the value stands"
    )
    reason: str | None = Field(examples=[None], description="of quarantine, where it is refused")
    detail: str | None = Field(examples=[None], description="what is wrong, and what to do")
