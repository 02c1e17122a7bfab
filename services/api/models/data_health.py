"""Rows of devices and of tests of monitors."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class DeviceRow(Answer):
    """A device, and what was heard of it."""

    facility: str = Field(examples=["linz"])
    facility_name: str = Field(examples=["Linz works"])
    timezone: str = Field(examples=["Europe/Vienna"])
    device: str = Field(examples=["cems-1"])
    name: str = Field(examples=["Analyser, kiln 1"], description="default: the id")
    last_seen: datetime | None = Field(
        examples=["2026-11-23T18:00:02Z"], description="arrival of its newest message"
    )
    online: bool | None = Field(
        examples=[True], description="what its status topic last said; `null`: never anything"
    )
    status_at: datetime | None = Field(examples=["2026-11-23T06:00:00Z"])
    newest_reading: datetime | None = Field(
        examples=["2026-11-23T18:00:00Z"],
        description="by the device's own clock; `null`: none in 31 days that is not packed, or it"
        " sends no times",
    )
    clock_offset_s: float | None = Field(
        examples=[-2.0],
        description="how far that clock was ahead of the arrival of the newest reading of a gauge"
        " or counter; below 0: it is behind, or readings are sent late",
    )


class MonitorRow(Answer):
    """The newest test of one kind of a monitor."""

    facility: str = Field(examples=["linz"])
    facility_name: str = Field(examples=["Linz works"])
    timezone: str = Field(examples=["Europe/Vienna"])
    channel: str = Field(examples=["cems-1.co2"])
    test: Literal["calibration", "rata", "linearity", "cga"] = Field(examples=["rata"])
    tested_at: datetime | None = Field(
        examples=["2026-05-11T13:00:00Z"], description="`null`: there was none yet"
    )
    passed: bool | None = Field(examples=[True])
    detail: str | None = Field(
        examples=[None], description="of a calibration: each injection, its response and error"
    )
    due_before: datetime | None = Field(
        examples=["2027-01-01T05:00:00Z"],
        description="the next audit has to be before it; `null`: of a calibration, or none passed",
    )
    expires_at: datetime | None = Field(
        examples=["2027-01-31T05:00:00Z"],
        description="end of the grace period, from which on data do not count",
    )
    state: Literal["passed", "failed", "none", "audit-due", "audit-in-grace", "audit-expired"] = (
        Field(examples=["passed"], description="`audit-due`: within 30 days")
    )
