"""Amounts of bills and the like, as they are sent and what became of them."""

from __future__ import annotations

from pydantic import Field

from services.api.models.answer import Answer


class TakenActivities(Answer):
    """All of them are stored; the aggregator computes their totals."""

    stored: int = Field(examples=[3], description="that are new")
    present: int = Field(examples=[1], description="that were there just so already")
