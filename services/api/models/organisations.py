"""Bodies of answers about organisations."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.api.models.answer import Answer


class OrganisationRow(Answer):
    """An organisation in force."""

    id: str = Field(examples=["group"])
    name: str = Field(examples=["Steel group"])
    since: datetime = Field(
        examples=["2026-01-01T09:00:00Z"], description="when its present file came into force"
    )
    facilities: str = Field(
        examples=["linz wels"], description="facilities that belong to it today"
    )
    left: str = Field(examples=["graz"], description="facilities that have left it")
    joining: str = Field(examples=[""], description="facilities that join it on a later day")
    scopes: str = Field(examples=["1 2"], description="scopes that it has a path of")
