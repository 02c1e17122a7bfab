"""Rows of quarantine, and its replay."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer, QualityName


class QuarantineRow(Answer):
    """A quarantined message or reading."""

    id: int = Field(examples=[42])
    time: datetime = Field(
        examples=["2026-11-23T18:00:02Z"], description="when the message arrived"
    )
    reason: str = Field(examples=["unknown_channel"])
    detail: str = Field(
        examples=["channel co3 is not in the facility file"],
        description="what is wrong and what to do",
    )
    topic: str = Field(examples=["emissions/linz/cems-1/readings"])
    facility: str | None = Field(examples=["linz"])
    device: str | None = Field(examples=["cems-1"])
    unknown_ids: list[str] | None = Field(
        examples=[None],
        description="ids by which a message at a topic of many devices names some that nobody"
        " registered; `null`: it is none of these",
    )
    properties: dict[str, str | int | list[str]] | None = Field(
        examples=[{"property.unit": "kWh"}],
        description="what MQTT 5 said of the message beside its payload, by the names that mappings"
        " have for it; `null`: nothing",
    )
    channel: str | None = Field(examples=["co3"])
    ts: datetime | None = Field(
        examples=["2026-11-23T18:00:00Z"], description="time of the reading, if it could be read"
    )
    value: float | None = Field(examples=[12.5])
    stored_value: float | None = Field(
        examples=[None], description="for a conflict: the stored value of the same channel and time"
    )
    quality: QualityName | None = Field(
        examples=["good"], description="quality of the reading as sent"
    )
    stored_quality: QualityName | None = Field(
        examples=[None],
        description="for a conflict: quality of the stored value; `null`: not a conflict",
    )
    state: Literal["open", "replayed", "accepted", "discarded"] = Field(examples=["open"])
    settled_at: datetime | None = Field(examples=[None])
    payload: str | None = Field(
        examples=['{"ts": 1795456800, "values": {"co3": 12.5}}'],
        description="the raw message as text; `null` if it is not UTF-8",
    )
    payload_base64: str | None = Field(
        examples=[None], description="the raw message, if it is not UTF-8"
    )
    payload_bytes: int = Field(
        examples=[43], description="size of the message; only the beginning of a large one is shown"
    )


class Replay(Answer):
    """A replay of quarantined entries."""

    id: int = Field(examples=[3])
    state: Literal["waiting", "running", "done"] = Field(
        description="`waiting`: ingest has not started it; it runs one replay at a time"
    )
    requested_at: datetime
    requested_by: str = Field(examples=["key operations"])
    note: str | None
    accept: bool = Field(description="whether conflicts replace the stored value")
    entries: int = Field(examples=[120], description="number of open entries selected")
    tried: int = Field(examples=[120])
    restored: int = Field(
        examples=[118], description="entries that left quarantine; their readings are now stored"
    )
    accepted: int = Field(
        examples=[1],
        description="conflicts that replaced the stored value; their hours are restated",
    )
    refused: dict[str, int] = Field(
        examples=[{"unknown_channel": 1}], description="entries still in quarantine, by reason"
    )
    finished_at: datetime | None
