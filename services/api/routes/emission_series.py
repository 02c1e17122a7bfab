"""What ``GET /v1/emissions`` reads of each facility: its sources, and their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.context import Context
from services.api.http.intervals import HOURLY, IntervalLength, whole_hours
from services.api.http.problems import InvalidRequest, NotFound
from services.api.models.stale import stale_instant
from services.core.accounting.factor_calendar import stale_factor
from services.core.store.answers import emissions
from services.core.store.answers.emissions import Bucket, EmissionRow
from services.core.store.answers.facility_queries import FacilityRow, SourceRow, sources_between
from services.core.store.answers.source_uncertainty import SourceAccount, source_accounts
from services.core.store.computation.hours_then import (
    HoursThen,
    TooManyOpenHoursError,
    open_hours,
)
from services.core.timeline.instants import MINUTE


@dataclass(frozen=True, kw_only=True, slots=True)
class StaleSource:
    """Why a source should count by a newer figure, and since when."""

    why: str
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One facility's part of the answer."""

    facility: FacilityRow
    sources: tuple[SourceRow, ...]
    accounts: Mapping[str, SourceAccount]
    #: sources that count by a factor that a newer figure is out or due for
    stale: Mapping[str, StaleSource]


async def series_of(
    connection: AsyncConnection,
    facilities: Sequence[FacilityRow],
    source: Sequence[str],
    begins: datetime,
    ends: datetime,
    *,
    now: datetime,
    as_of: datetime | None = None,
) -> list[Series]:
    """Read the sources of the facilities in a span of time; ``source``: ids of some, none: all.

    ``now``: no later than ``as_of``; it tells which factors are stale.

    :raises NotFound: no facility has a source with one of the ids.
    """
    series = []
    unknown = set(source)
    for facility in facilities:
        all_sources = await sources_between(connection, facility.id, begins=begins, ends=ends)
        unknown -= {row.slug for row in all_sources}
        sources = tuple(s for s in all_sources if not source or s.slug in source)
        accounts = await source_accounts(connection, facility.slug, as_of)
        series.append(
            Series(
                facility=facility,
                sources=sources,
                accounts=accounts,
                stale=_stale(accounts, ZoneInfo(facility.timezone), now),
            )
        )
    if unknown:
        raise NotFound(f"There is no source {min(unknown)}; GET /v1/facilities lists sources.")
    return series


def _stale(
    accounts: Mapping[str, SourceAccount], zone: ZoneInfo, now: datetime
) -> dict[str, StaleSource]:
    today = now.astimezone(zone).date()
    by_source = {
        slug: stale_factor(account.factor_ages, today) for slug, account in accounts.items()
    }
    return {
        slug: StaleSource(why=stale.why, since=stale_instant(stale, zone))
        for slug, stale in by_source.items()
        if stale is not None
    }


async def rows_of(
    context: Context,
    connection: AsyncConnection,
    series: Series,
    buckets: Sequence[Bucket],
    interval: IntervalLength,
    as_of: datetime | None,
    now: datetime,
) -> list[EmissionRow]:
    """Read the rows of a facility's sources from the minutes or hours that its buckets are made of.

    ``now``: no later than ``as_of``.

    :raises InvalidRequest: no versions of such intervals are kept, for ``as_of``.
    """
    ids = [source.id for source in series.sources]
    if not buckets or not ids:
        return []
    if interval.in_hour:
        return await emissions.parts_of_hours(connection, ids, buckets, now=now)
    if interval == HOURLY or (
        interval.of_hours
        and whole_hours(series.facility.timezone, buckets[0].begins, buckets[-1].ends)
    ):
        then = None if as_of is None else await _hours_then(context, ids, buckets, now)
        return await emissions.whole_hours(connection, ids, buckets, now=now, then=then)
    if as_of is not None:
        raise InvalidRequest(
            f"as_of: intervals in {series.facility.timezone} do not begin on a whole UTC hour, and"
            " only hours are versioned; use interval 1h"
        )
    return await emissions.days_of_minutes(connection, ids, buckets, now=now)


async def _hours_then(
    context: Context, ids: Sequence[int], buckets: Sequence[Bucket], as_of: datetime
) -> HoursThen:
    """Compute the hours that were open at ``as_of``."""
    last = min(buckets[-1].ends, as_of + MINUTE)
    try:
        return await context.database.read_in_thread(
            lambda connection: open_hours(connection, ids, buckets[0].begins, last, as_of)
        )
    except TooManyOpenHoursError as error:
        raise InvalidRequest(f"as_of: {error}") from None
