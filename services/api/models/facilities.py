"""Bodies about facilities and their files."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class FacilitySource(Answer):
    """A source of a facility."""

    id: str = Field(examples=["stack-1"])
    name: str = Field(examples=["Kiln 1"], description="display name; default: the id")
    scope: Literal[1, 2, 3] = Field(examples=[1])
    method: str = Field(examples=["stack"])


class FacilityDevice(Answer):
    """A device of a facility, and when it was last heard from."""

    id: str = Field(examples=["cems-1"])
    name: str = Field(examples=["Analyser, kiln 1"], description="display name; default: the id")
    last_seen: datetime | None = Field(
        description="when the latest message arrived; `null`: none yet",
        examples=["2026-11-23T18:00:02Z"],
    )
    online: bool | None = Field(
        description="last state on its status topic; `null`: none received", examples=[True]
    )
    status_at: datetime | None = Field(
        description="when the device reported that state", examples=["2026-11-23T06:12:40Z"]
    )


class Facility(Answer):
    """A facility with its active sources and devices."""

    id: str = Field(examples=["linz"])
    name: str = Field(examples=["Linz works"])
    timezone: str = Field(examples=["Europe/Vienna"], description="IANA name")
    retired_at: datetime | None = Field(
        examples=[None],
        description="`null`: in force; else only its history is available, and `sources` and"
        " `devices` are those it had",
    )
    sources: list[FacilitySource] = Field(
        examples=[[{"id": "stack-1", "name": "Kiln 1", "scope": 1, "method": "stack"}]]
    )
    devices: list[FacilityDevice] = Field(
        examples=[
            [
                {
                    "id": "cems-1",
                    "name": "Analyser, kiln 1",
                    "last_seen": "2026-11-23T18:00:02Z",
                    "online": True,
                    "status_at": "2026-11-23T06:12:40Z",
                }
            ]
        ]
    )


class Retired(Answer):
    """A facility that was or would be retired, and what is no longer in force."""

    facility: str = Field(examples=["linz"])
    name: str = Field(examples=["Linz works"])
    retired_at: datetime | None = Field(
        description="time of retirement; `null`: a dry run of a facility in force",
        examples=["2026-11-23T18:00:00Z"],
    )
    retired_by: str | None = Field(examples=["key operations"])
    reason: str | None = Field(examples=["kiln sold"])
    devices: list[str] = Field(
        examples=[["meter-grid"]], description="devices whose messages go to quarantine"
    )
    sources: list[str] = Field(
        examples=[["grid"]], description="sources whose totals stay and whose open hours are closed"
    )
    thresholds: list[str] = Field(
        examples=[["site-rate"]],
        description="thresholds that are no longer evaluated; their open alerts end",
    )
    dry_run: bool = Field(description="true: nothing was changed; this is what would change")
