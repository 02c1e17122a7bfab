"""Files that people upload, and what becomes of them."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from services.api.models.answer import Answer
from services.core.runtime.uploads import Holds, State


class RefusedRow(Answer):
    """A row that was not stored."""

    file: str = Field(examples=["profile.csv"])
    line: int = Field(examples=[17], description="of a text, or row of a sheet; 0: not known")
    reason: str = Field(
        examples=["out_of_range"],
        description="of quarantine; or `misshapen`, `other_facility`: nothing is kept of the row",
    )
    detail: str = Field(examples=["500 kW is above the range 0 .. 100 kW"])


class ImportReport(Answer):
    """What became of the rows of a file, as `tonne import --json` says it."""

    read: int = Field(examples=[35040], description="rows")
    stored: int = Field(examples=[35038], description="of a dry run: that would be")
    duplicates: int = Field(examples=[0], description="stored before, or twice in the file")
    refused: dict[str, int] = Field(
        examples=[{"out_of_range": 2}], description="numbers of rows by reason"
    )
    gaps: int = Field(
        examples=[2],
        description="of the refused, those that left a gap, which is among those stored or there"
        " already",
    )
    shed: int = Field(examples=[0], description="more refused, for which quarantine had no room")
    seconds: float = Field(examples=[1.25], description="that it took")
    refusals: list[RefusedRow] = Field(description="the first 1000 rows that were refused")


class ImportState(Answer):
    """An uploaded file, and how far it is."""

    id: str = Field(examples=["9f1c2d3e4b5a69788796a5b4c3d2e1f0"])
    facility: str = Field(examples=["linz"])
    name: str = Field(examples=["profile.csv"])
    holds: Holds = Field(examples=["readings"])
    bytes: int = Field(examples=[1800000], description="of the file")
    received: int = Field(
        examples=[1048576], description="bytes that are safely here: the next part begins there"
    )
    state: State = Field(
        examples=["receiving"],
        description="`receiving`: parts are missing; `received`; `checking`: a dry run is under"
        " way; `checked`; `taking`; `taken`: it is stored, and the file deleted; `failed`:"
        " `error` says why, and another run may be begun",
    )
    read_bytes: int = Field(examples=[524288], description="that the run has read")
    rows: int = Field(examples=[12000], description="that the run has read")
    error: str | None = Field(
        examples=[None], description="why the last run could not read the file to its end"
    )
    check: ImportReport | None = Field(description="of the last dry run")
    report: ImportReport | None = Field(description="of taking it")
    by: str = Field(examples=["person anna"], description="who began the last run")
    created_at: datetime = Field(examples=["2026-11-23T18:00:00Z"])
    changed_at: datetime = Field(examples=["2026-11-23T18:00:10Z"])
