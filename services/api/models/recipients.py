"""Bodies about recipients of alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer

RecipientKind = Literal["webhook", "alertmanager", "mqtt", "email"]


class RecipientRow(Answer):
    """Whom a facility's alerts are sent to, and what became of the messages."""

    kind: RecipientKind = Field(examples=["webhook"])
    recipient: str = Field(
        examples=["webhook https://example.org"],
        description="without what may be secret: of an address on the web, the host",
    )
    secret_env: str | None = Field(
        examples=["TONNE_SECRET_HOOK"],
        description="environment variable with the secret that signs; `null`: none",
    )
    heartbeat_s: float | None = Field(examples=[86400.0], description="`null`: none")
    waiting: int = Field(examples=[0], description="messages that are not delivered yet")
    delivered_at: datetime | None = Field(
        examples=["2026-11-23T18:00:02Z"], description="the newest; `null`: none is remembered"
    )
    reason: str | None = Field(
        examples=[None], description="why the newest that waits was not accepted"
    )


class TestedRecipient(Answer):
    """What became of a test message to one recipient."""

    kind: RecipientKind = Field(examples=["webhook"])
    recipient: str = Field(examples=["webhook https://example.org"])
    delivered: bool = Field(examples=[True])
    took_s: float | None = Field(examples=[0.2], description="`null`: it was not delivered")
    reason: str | None = Field(
        examples=[None], description="why it was not accepted in time; `null`: it was"
    )
