"""What ``GET /v1/emissions`` reads of the facilities of each time zone: sources and their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.database import Database
from services.api.http.gathered import not_here
from services.api.http.intervals import (
    DAILY,
    HOURLY,
    IntervalLength,
    cut,
    whole_hours,
)
from services.api.http.problems import InvalidRequest, NotFound
from services.api.models.emission_table import ListedSource, Series
from services.api.models.stale import stale_sources
from services.core.store.answers import emissions
from services.core.store.answers.answer_states import registry_revision
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.facility_queries import FacilityRow, sources_between
from services.core.store.answers.factor_ages import ages_then
from services.core.store.answers.source_uncertainty import KnownAccounts, SourceAccount
from services.core.store.computation.hours_then import (
    HoursThen,
    TooManyOpenHoursError,
    open_hours,
)
from services.core.store.emissions.hours_as_known import SourceHours
from services.core.timeline.instants import MINUTE


async def series_of(
    connection: AsyncConnection,
    known: KnownAccounts,
    facilities: Sequence[FacilityRow],
    source: Sequence[str],
    begins: datetime,
    ends: datetime,
    *,
    now: datetime,
    as_of: datetime | None = None,
    with_production: bool = False,
    revision: int | None = None,
) -> list[Series]:
    """Read the sources of the facilities in a span of time; ``source``: ids of some, none: all.

    ``now``: no later than ``as_of``; it tells which factors are stale. ``with_production``: what is
    counted of products too, which emits nothing. ``revision``: of the registry, read before the
    facilities; None: it is read here.

    :raises NotFound: no facility has a source with one of the ids.
    """
    by_facility = await sources_between(
        connection,
        facilities,
        begins=begins,
        ends=ends,
        as_of=as_of,
        with_production=with_production,
    )
    unknown = not_here(set(source) - {row.slug for rows in by_facility.values() for row in rows})
    if unknown:
        raise NotFound(f"There is no source {min(unknown)}; GET /v1/facilities lists sources.")
    accounts = await _accounts(connection, known, facilities, as_of, revision)
    listed: dict[str, list[ListedSource]] = {}
    for facility in facilities:
        stale = stale_sources(accounts[facility.slug], ZoneInfo(facility.timezone), now)
        listed.setdefault(facility.timezone, []).extend(
            ListedSource(
                facility=facility.slug,
                source=row,
                account=accounts[facility.slug].get(row.slug),
                stale=stale.get(row.slug),
            )
            for row in by_facility[facility.id]
            if not source or row.slug in source
        )
    return [Series(timezone=zone, sources=tuple(sources)) for zone, sources in listed.items()]


async def _accounts(
    connection: AsyncConnection,
    known: KnownAccounts,
    facilities: Sequence[FacilityRow],
    as_of: datetime | None,
    revision: int | None,
) -> Mapping[str, Mapping[str, SourceAccount]]:
    if revision is None:
        revision = await registry_revision(connection)
    accounts = await known.read_several(connection, facilities, revision=revision)
    if as_of is None:
        return accounts
    # how they are banded and checked is today's
    then = await ages_then(connection, list(accounts), as_of)
    return {
        facility: {
            slug: replace(account, factor_ages=then[facility].get(slug, ()))
            for slug, account in of_facility.items()
        }
        for facility, of_facility in accounts.items()
    }


async def hours_then(
    database: Database,
    parts: Sequence[tuple[Series, Buckets]],
    interval: IntervalLength,
    as_of: datetime,
) -> HoursThen | None:
    """Compute the hours of all parts of an answer that were open at ``as_of``, in one pass.

    None: no part is made of hours. Each part is a time zone with its buckets.

    :raises InvalidRequest: there are more than one answer computes.
    """
    asked = [
        SourceHours(
            source_id=listed.source.id,
            first=buckets[0].begins,
            last=min(buckets[-1].ends, as_of + MINUTE),
        )
        for series, buckets in parts
        if buckets and is_of_hours(series, buckets, interval)
        for listed in series.sources
    ]
    if not asked:
        return None
    try:
        return await database.read_in_thread(
            lambda connection: open_hours(connection, asked, as_of)
        )
    except TooManyOpenHoursError as error:
        raise InvalidRequest(f"as_of: {error}") from None


async def columns_of(
    connection: AsyncConnection,
    series: Series,
    buckets: Buckets,
    interval: IntervalLength,
    *,
    now: datetime,
    is_past: bool,
    then: HoursThen | None,
) -> EmissionColumns | None:
    """Read what the sources of a time zone emitted, from the minutes or hours of its buckets.

    None: there are no rows. ``is_past``: as known at ``now``, with what ``then`` says of hours that
    were open.

    :raises InvalidRequest: no versions of such intervals are kept, for the past.
    """
    ids = [listed.source.id for listed in series.sources]
    if not buckets or not ids:
        return None
    if interval.in_hour:
        return await emissions.parts_of_hours(connection, ids, buckets, now=now)
    if is_of_hours(series, buckets, interval):
        return await emissions.whole_hours(
            connection,
            ids,
            buckets,
            now=now,
            days=_days(series, buckets, interval),
            then=None if then is None else then.among(ids),
        )
    if is_past:
        raise InvalidRequest(
            f"as_of: days in {series.timezone} do not begin on a whole UTC hour, and only hours are"
            " versioned; GET /v1/emissions and /v1/intensity tell them as of then with interval=1h"
        )
    return await emissions.days_of_minutes(connection, ids, buckets, now=now)


def _days(series: Series, buckets: Buckets, interval: IntervalLength) -> Buckets | None:
    """Return the local days that buckets are made of; None: they are not made of days."""
    if not interval.of_days:
        return None
    if interval == DAILY:
        return buckets
    first, last = buckets[0].begins, buckets[-1].ends
    return cut(DAILY, first, last, timezone=series.timezone, limit=(last - first).days + 2)


def is_of_hours(series: Series, buckets: Buckets, interval: IntervalLength) -> bool:
    """Return whether buckets are made of whole hours in UTC."""
    return interval == HOURLY or (
        interval.of_hours and whole_hours(series.timezone, buckets[0].begins, buckets[-1].ends)
    )
