"""Bodies about who asks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer
from services.core.store.people.roles import Right


class Allowed(Answer):
    """Rights, and where they hold."""

    rights: list[Right] = Field(examples=[["read", "operate"]])
    facilities: list[str] | None = Field(examples=[["linz"]], description="`null`: all")


class Me(Answer):
    """Who a request comes from."""

    kind: Literal["person", "key", "nobody"] = Field(
        examples=["person"], description="nobody: authentication is off"
    )
    name: str = Field(examples=["anna"])
    full_name: str | None = Field(examples=["Anna Berger"])
    allowed: list[Allowed]
    local: bool = Field(
        examples=[True], description="whether the person has a password here, to be changed"
    )
    expires_at: datetime | None = Field(
        examples=["2026-12-05T09:12:44Z"], description="when the session ends, however much used"
    )


class WaysIn(Answer):
    """How people can sign in."""

    required: bool = Field(examples=[True], description="false: TONNE_API_AUTH=off")
    password: bool = Field(examples=[True], description="with a local account")
    provider: str | None = Field(
        examples=["Sign in with your organisation"],
        description="what the button to the OpenID provider says; `null`: there is none",
    )
