"""Rows of the audit log."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.api.models.answer import Answer
from services.core.store.audit.actions import Action


class AuditRow(Answer):
    """Something that somebody did."""

    id: int = Field(examples=[4711], description="later entries have higher ids")
    time: datetime = Field(examples=["2026-11-28T09:12:44Z"])
    by: str = Field(
        examples=["key works"], description="a key, a person, or a user of the command line"
    )
    address: str = Field(examples=["192.0.2.10"], description="whence it was done")
    action: Action = Field(examples=["facility.apply"])
    facility: str | None = Field(examples=["linz"], description="`null`: it concerns all, or none")
    subject: str = Field(examples=["linz"], description="what it was done to")
    before: str | None = Field(
        examples=['{"sha256": "5e88..."}'], description="what was there, as JSON; `null`: nothing"
    )
    after: str | None = Field(
        examples=['{"changes": ["~ source boiler"]}'],
        description="what is there now, or what was asked for, as JSON; `null`: nothing",
    )
    reason: str | None = Field(examples=["new meter"], description="as whoever did it gave it")
    login: str = Field(examples=["tonne_api"], description="the database login that recorded it")
