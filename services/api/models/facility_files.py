"""Bodies about facility files: what is wrong with one, what it changes, what was applied before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from services.api.models.answer import Answer


class FileProblem(Answer):
    """One thing that is wrong with a facility file."""

    line: int = Field(examples=[7], description="counted from 1; 0: it has no place")
    column: int = Field(examples=[5], description="counted from 1; 0: it has no place")
    path: str = Field(
        examples=["/sources/0/factor"], description="JSON pointer; empty: the whole file"
    )
    message: str = Field(examples=["source boiler: there is no factor natural-gsa"])


class FileCheck(Answer):
    """Whether a text could be the file of a facility."""

    errors: list[FileProblem] = Field(
        examples=[
            [
                {
                    "line": 7,
                    "column": 5,
                    "path": "/sources/0/factor",
                    "message": "source boiler: there is no factor natural-gsa",
                }
            ]
        ],
        description="what it would be refused for; none: it can be applied",
    )
    warnings: list[str] = Field(
        examples=[[]], description="configuration that is valid but may be unintended"
    )


class EditedFile(Answer):
    """A text with the edits that were asked for."""

    text: str = Field(
        examples=["facility:\n  id: linz  # in topics\n"],
        description="as it was sent, but for what was edited: comments and layout stay",
    )
    document: dict[str, Any] = Field(
        examples=[{"facility": {"id": "linz"}}],
        description="what the text states, as JSON; days and instants as they are written",
    )


class FileDifference(Answer):
    """A value that a facility file states otherwise than the one in force."""

    place: str = Field(examples=["source boiler, factor"], description="where it stands, by ids")
    before: str | None = Field(
        examples=["natural-gas"], description="as YAML in one line; `null`: not stated"
    )
    after: str | None = Field(examples=["diesel"], description="`null`: no longer stated")


class QueuedRestatement(Answer):
    """A part of a source's past that is computed again."""

    source: str = Field(examples=["grid"])
    from_: datetime = Field(alias="from", examples=["2026-01-01T00:00:00Z"])
    to: datetime = Field(examples=["2026-11-23T18:00:00Z"], description="exclusive")
    hours: int = Field(
        examples=[7842], description="hours with a total between the two; they may stay the same"
    )
    reason: str = Field(examples=["factor version: grid, ..."])


class Applied(Answer):
    """What applying a facility file changed."""

    changes: list[str] = Field(
        examples=[["facility linz added"]], description="none: at most comments and layout changed"
    )
    differences: list[FileDifference] = Field(
        examples=[[{"place": "source boiler, factor", "before": "natural-gas", "after": "diesel"}]],
        description="values that are stated otherwise than before",
    )
    warnings: list[str] = Field(description="configuration that is valid but may be unintended")
    restated: list[str] = Field(
        description="what will be recomputed, from when and why",
        examples=[["source grid from 2026-01-01T00:00Z: factor version: grid, ..."]],
    )
    restatements: list[QueuedRestatement] = Field(
        description="the same in parts",
        examples=[
            [
                {
                    "source": "grid",
                    "from": "2026-01-01T00:00:00Z",
                    "to": "2026-11-23T18:00:00Z",
                    "hours": 7842,
                    "reason": "factor version: grid, ...",
                }
            ]
        ],
    )
    sha256: str = Field(
        description="of the file that is in force now, or would be: its `ETag`",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    topics_heard: bool | None = Field(
        examples=[True],
        description="whether every ingest that runs hears the topics of the file by now; `null`:"
        " nobody waited, because nothing changed, no device has a topic of its own, or it was not"
        " asked for",
    )
    dry_run: bool = Field(description="true: nothing was changed; this is what would change")


class FileVersionRow(Answer):
    """A text of a facility's file that came into force."""

    number: int = Field(examples=[3], description="from 1 on; the highest is in force")
    applied_at: datetime = Field(examples=["2026-11-28T09:12:44Z"])
    applied_by: str | None = Field(
        examples=["person anna"],
        description="a person, a key, or a user of the command line; `null`: it was not recorded",
    )
    sha256: str = Field(
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        description="of its text",
    )
    changes: list[str] = Field(
        examples=[["~ source boiler"]],
        description="what it changed; none: at most comments and layout",
    )
