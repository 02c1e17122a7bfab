"""What became of readings that were sent."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.api.models.answer import Answer
from services.core.store.readings.quarantine_reasons import Reason


class RefusedReading(Answer):
    """Why one reading, or one record without any, was not stored."""

    index: int = Field(examples=[3], description="of the record in the body, from 0")
    line: int | None = Field(
        examples=[5], description="of the record in a body of lines, from 1; `null` in others"
    )
    facility: str | None = Field(examples=["linz"])
    device: str | None = Field(examples=["cems-1"])
    channel: str | None = Field(
        examples=["co2"], description="`null`: none of the record was stored"
    )
    time: datetime | None = Field(examples=["2026-11-23T18:00:00Z"])
    value: float | None = Field(examples=[125.0])
    reason: Reason = Field(examples=["out_of_range"])
    detail: str = Field(
        examples=["125.0 % is outside 0.0 to 25.0"], description="what is wrong with it"
    )
    advice: str = Field(
        examples=["check the sensor, or widen the channel's range in the facility file"],
        description="what to do about it",
    )
    quarantined: bool = Field(
        examples=[True],
        description="whether it is kept in quarantine: repair the cause and replay it. `false`:"
        " correct it and send it again",
    )


class SentReadings(Answer):
    """What became of the readings of a body; all that was stored is durable."""

    new: int = Field(examples=[98], description="readings that were stored")
    repeated: int = Field(
        examples=[1], description="readings that were there already; nothing changed"
    )
    replaced: int = Field(
        examples=[0],
        description="readings that took the place of what was stored, by the channel's"
        " `corrections`",
    )
    refused: int = Field(examples=[1], description="what was not stored; `refusals` says why")
    refusals: list[RefusedReading] = Field(
        description="in the order of the body, the first 1000 of them"
    )
