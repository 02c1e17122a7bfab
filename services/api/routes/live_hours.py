"""What live totals have beside them that follows from the hours of the running year."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.database import Database
from services.api.live.by_minute import ReadHours
from services.api.live.matched import begins_of, matched_totals
from services.api.routes.electricity_reading import (
    FacilityElectricity,
    read_matched,
    reads_too_much,
    stated_electricity,
)
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.known_facilities import KnownFacilities
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.timeline.instants import HOUR


def hours_reader(
    database: Database,
    facilities: KnownFacilities,
    accounts: KnownAccounts,
    as_of: datetime | None = None,
) -> ReadHours:
    """Build what reads them; ``as_of``: as they were known then, None: as they are now."""

    async def read(connection: AsyncConnection, facility: str, now: datetime) -> Mapping[str, Any]:
        electricity = None
        rows = await facilities.read(connection, only=[facility])
        for row, stated in await stated_electricity(database, rows, as_of):
            begins = begins_of(now, ZoneInfo(row.timezone))
            asked = FacilityElectricity(
                facility=row,
                stated=stated,
                buckets=Buckets.between([min(begins.values()), now + HOUR]),
            )
            if reads_too_much(asked):
                continue
            hours = await read_matched(database, accounts, connection, asked, now=now, as_of=as_of)
            electricity = matched_totals(row, hours, now)
        return {"electricity": electricity}

    return read
