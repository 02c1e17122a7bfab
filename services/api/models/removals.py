"""Rows of removals and credits."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class RemovalEntry(Answer):
    """A removal or a retirement of credits, deducted from nothing."""

    time: datetime = Field(
        examples=["2025-12-31T23:00:00Z"],
        description="start of the span that is asked for, or of the part of it that the entry is"
        " of; of credits, of the day of their retirement",
    )
    ends: datetime = Field(examples=["2026-03-31T22:00:00Z"], description="exclusive")
    facility: str = Field(examples=["linz"])
    id: str = Field(examples=["air-capture"], description="of the source, or of the entry")
    origin: Literal["measured", "stated", "credit"] = Field(
        examples=["measured"],
        description="measured: by a source; stated: a removal that the facility file states;"
        " credit: credits that were retired",
    )
    kind: Literal["dac", "biogenic", "ccs", "removal", "avoidance"] = Field(
        examples=["dac"],
        description="what is stored; of credits, whether CO2 was removed for them or somebody"
        " emitted less",
    )
    scope: int = Field(examples=[1])
    kg: float | None = Field(
        examples=[120500.0],
        description="CO2 removed in the span, or CO2e of the credits; `null`: unknown",
    )
    stored_fossil_kg: float | None = Field(
        examples=[0.0], description="fossil CO2 stored in it, which is no removal"
    )
    coverage: float | None = Field(
        examples=[0.998], description="share of the span that readings cover; `null`: not measured"
    )
    permanent: bool | None = Field(
        examples=[True], description="whether it is stored for good; `null`: of credits"
    )
    document: str = Field(
        examples=["https://example.org/storage-permit.pdf"], description="where it is shown"
    )
    registry: str | None = Field(examples=["Verra"], description="of credits")
    serial: str | None = Field(examples=["9608-113-VCS-VCU-1-VER-CN-14-2024"])
    first_unit: int | None = Field(examples=[1001], description="`null`: all units of the serial")
    last_unit: int | None = Field(examples=[1500])
    vintage: int | None = Field(examples=[2024])
    retired_on: str | None = Field(examples=["2026-02-01"], description="a day of the facility")
    known_at: datetime | None = Field(
        examples=["2026-04-02T08:00:00Z"],
        description="since when the file states what it states of removals and credits; `null`: of"
        " what is measured",
    )
