"""Amounts of bills and the like, as they are sent and what became of them."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from services.api.models.answer import Answer


class TakenActivities(Answer):
    """All of them are stored; the aggregator computes their totals."""

    stored: int = Field(examples=[3], description="that are new")
    present: int = Field(examples=[1], description="that were there just so already")


class ActivityRow(Answer):
    """An amount of a period, as it was given."""

    facility: str = Field(examples=["office"])
    id: str = Field(examples=["B-2026-017"], description="number of the bill or entry")
    channel: str = Field(examples=["books.heat"], description="`device.channel`")
    from_: date = Field(alias="from", examples=["2026-01-01"], description="first day")
    to: date = Field(examples=["2026-02-01"], description="first day after the period")
    amount: float = Field(examples=[3100.0])
    unit: str = Field(examples=["kWh"])
    document: str | None = Field(examples=["bills/2026-017.pdf"], description="where it is shown")
    imported_at: datetime = Field(examples=["2026-02-03T09:12:44Z"])
    imported_by: str = Field(examples=["key books"])
    withdrawn_at: datetime | None = Field(examples=[None], description="`null`: it counts")
    withdrawn_by: str | None = Field(examples=[None])
    reason: str | None = Field(examples=[None], description="why it was withdrawn")


class WithdrawnActivity(Answer):
    """It counts no more; the aggregator restates the totals of its hours."""

    id: str = Field(examples=["B-2026-017"])
    readings: int = Field(
        examples=[31], description="that it counted, fewer where some were discarded before"
    )
