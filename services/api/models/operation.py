"""The body of readiness."""

from __future__ import annotations

from pydantic import Field

from services.api.models.answer import Answer


class ProcessState(Answer):
    """A process that writes totals."""

    ready: bool
    age_s: float | None = Field(
        examples=[0.8], description="seconds since its main loop last made progress"
    )


class ReadyNotice(Answer):
    """Something that needs attention although answers are correct."""

    code: str = Field(examples=["quarantine-full"], description="stable across versions")
    process: str = Field(examples=["ingest"])
    detail: str = Field(description="what is wrong and what to do")


class Ready(Answer):
    """Whether answers are current, and if not, why."""

    ready: bool
    database: bool
    schema_current: bool
    processes: dict[str, ProcessState]
    missing: list[str] = Field(examples=[["ingest is not running; start `tonne ingest`"]])
    warnings: list[str] = Field(
        examples=[
            ["quarantine is full: ingest dropped 12 refused messages in the last two minutes"]
        ],
        description="what needs attention although answers are correct",
    )
    notices: list[ReadyNotice] = Field(description="the same warnings with their codes")
