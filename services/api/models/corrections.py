"""Corrections of readings, as people state them and as they are recorded."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer, QualityName
from services.core.runtime.stated_readings import RefusalReason


class RefusedCorrection(Answer):
    """Why one reading was not corrected."""

    index: int = Field(examples=[3], description="of the row in the request, from 0")
    device: str = Field(examples=["meter-grid"])
    channel: str = Field(examples=["import-power"])
    time: str = Field(examples=["2026-11-23T18:00:00Z"])
    reason: RefusalReason = Field(examples=["changed"])
    detail: str = Field(
        examples=["it is 412.5 kW by now, not what `was` says; look again before you correct it"],
        description="what is wrong, and what to do",
    )


class CorrectedReadings(Answer):
    """What became of the rows of a request; all that was stored is durable."""

    corrected: int = Field(examples=[2], description="readings that took the place of another")
    added: int = Field(examples=[0], description="readings where none was stored")
    unchanged: int = Field(examples=[0], description="rows that were stored just so already")
    refused: int = Field(examples=[1], description="rows that changed nothing; `refusals` says why")
    refusals: list[RefusedCorrection] = Field(description="in the order of the request")


class CorrectionRow(Answer):
    """A reading that took the place of another, and the one that does not count any more."""

    time: datetime = Field(examples=["2026-11-23T18:00:00Z"])
    facility: str = Field(examples=["linz"])
    device: str = Field(examples=["meter-grid"])
    channel: str = Field(examples=["import-power"])
    unit: str = Field(examples=["kW"])
    old_value: float | None = Field(
        examples=[9000.0], description="`null`: a gap, or, with `old_quality` null, no reading"
    )
    old_quality: QualityName | None = Field(examples=["good"], description="`null`: no reading")
    new_value: float | None = Field(examples=[412.5], description="`null`: a gap")
    new_quality: QualityName = Field(examples=["good"])
    kind: Literal["corrected", "accepted", "by-rule"] = Field(
        examples=["corrected"],
        description="`corrected`: a person states the new value; `accepted`: a person accepted a"
        " conflict out of quarantine; `by-rule`: by the channel's `corrections`",
    )
    by: str = Field(examples=["person anna"], description="who, or the channel's rule")
    reason: str | None = Field(examples=["misread; see the photo of 23 November"])
    corrected_at: datetime = Field(examples=["2026-11-24T08:12:30Z"])
