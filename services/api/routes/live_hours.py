"""What live totals have beside them that follows from the hours of the running year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.database import Database
from services.api.http.intervals import DAILY, HOURLY, cut, whole_hours
from services.api.live.by_minute import ReadHours
from services.api.live.levels import level_totals, parts_of, windows_of
from services.api.live.matched import begins_of, matched_totals
from services.api.models.emission_table import Series
from services.api.routes.electricity_reading import (
    FacilityElectricity,
    read_matched,
    reads_too_much,
    stated_electricity,
)
from services.api.routes.emission_series import hours_then, series_of
from services.api.routes.factor_levels_reading import counts_by_series, read_levels
from services.core.store.answers import emissions
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.known_facilities import KnownFacilities
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.store.packing import opened
from services.core.timeline.instants import HOUR


def hours_reader(
    database: Database,
    facilities: KnownFacilities,
    accounts: KnownAccounts,
    as_of: datetime | None = None,
) -> ReadHours:
    """Build what reads them; ``as_of``: as they were known then, None: as they are now."""
    reader = _HoursReader(database=database, accounts=accounts, as_of=as_of)

    async def read(connection: AsyncConnection, facility: str, now: datetime) -> Mapping[str, Any]:
        electricity = factors = None
        for row in await facilities.read(connection, only=[facility]):
            electricity = await reader.electricity(connection, row, now)
            factors = await reader.factors(connection, row, now)
        return {"electricity": electricity, "hourly_factors": factors}

    return read


@dataclass(frozen=True, kw_only=True, slots=True)
class _HoursReader:
    database: Database
    accounts: KnownAccounts
    as_of: datetime | None

    async def electricity(
        self, connection: AsyncConnection, row: FacilityRow, now: datetime
    ) -> dict[str, Any] | None:
        """Match the hours of the year with contracts."""
        for _, stated in await stated_electricity(self.database, [row], self.as_of):
            begins = begins_of(now, ZoneInfo(row.timezone))
            asked = FacilityElectricity(
                facility=row,
                stated=stated,
                buckets=Buckets.between([min(begins.values()), now + HOUR]),
            )
            if reads_too_much(asked):
                continue
            hours = await read_matched(
                self.database, self.accounts, connection, asked, now=now, as_of=self.as_of
            )
            return matched_totals(row, hours, now)
        return None

    async def factors(
        self, connection: AsyncConnection, row: FacilityRow, now: datetime
    ) -> dict[str, Any] | None:
        """Divide the running totals by what they counted by."""
        zone = ZoneInfo(row.timezone)
        windows = windows_of(now, zone)
        parts = parts_of(windows, now, zone)
        listed = await series_of(
            connection,
            self.accounts,
            [row],
            [],
            parts[0].begins,
            parts[-1].ends,
            now=now,
            as_of=self.as_of,
        )
        series = next(iter(listed), None)
        if series is None or not counts_by_series(series):
            return None
        series = Series(
            timezone=series.timezone,
            sources=tuple(s for s in series.sources if s.account and s.account.series),
        )
        is_past = self.as_of is not None
        then = await hours_then(self.database, [(series, parts)], HOURLY, now) if is_past else None
        async with opened.snapshot_async(connection):
            rows = await emissions.whole_hours(
                connection,
                [listed.source.id for listed in series.sources],
                parts,
                now=now,
                days=_days(series.timezone, parts),
                then=then,
            )
            levels = await read_levels(
                self.database,
                connection,
                {row.slug: row},
                series,
                parts,
                rows,
                now=now,
                as_of=self.as_of,
                then=then,
            )
        return level_totals(series.sources, windows, parts, rows, levels, now)


def _days(timezone: str, parts: Buckets) -> Buckets | None:
    """Return the local days that parts are made of; None: they do not begin with an hour of UTC."""
    first, last = parts[0].begins, parts[-1].ends
    if not whole_hours(timezone, first, last):
        return None
    return cut(DAILY, first, last, timezone=timezone, limit=(last - first).days + 2)
