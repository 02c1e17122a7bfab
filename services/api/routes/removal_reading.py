"""What answers read of removals and credits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.context import Reading
from services.api.http.intervals import HOURLY
from services.api.models.emission_table import ListedSource, Series
from services.api.models.removed import BIOGENIC, FOSSIL, is_from_stack, removed_and_stored
from services.api.models.source_masses import Floats, source_masses
from services.api.routes.emission_series import columns_of, hours_then, series_of
from services.core.accounting.pathway.balance import Removed
from services.core.facility.stated_amounts import stated_between
from services.core.store.answers.balances import balances
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.facility_queries import FacilityRow


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MeasuredRemovals:
    """What a source removed in each of some spans of time."""

    listed: ListedSource
    removed_kg: Floats
    stored_fossil_kg: Floats
    #: how much of each span is known
    known_ms: Floats


async def measured_removals(
    context: Reading,
    connection: AsyncConnection,
    facilities: Sequence[FacilityRow],
    boundaries: Sequence[datetime],
    now: datetime,
    *,
    as_of: datetime | None,
) -> dict[str, list[MeasuredRemovals]]:
    """Read what each source of facilities removed between instants, which are whole hours."""
    begins, ends = boundaries[0], boundaries[-1]
    listed = await series_of(
        connection, context.accounts, facilities, [], begins, ends, now=now, as_of=as_of
    )
    removals: dict[str, list[MeasuredRemovals]] = {facility.slug: [] for facility in facilities}
    for part in listed:
        series = replace(part, sources=tuple(s for s in part.sources if s.removes))
        if series.sources and begins < ends:
            buckets = Buckets.between(boundaries)
            for removal in await _of_series(context, connection, series, buckets, now, as_of):
                removals[removal.listed.facility].append(removal)
    return removals


async def _of_series(
    context: Reading,
    connection: AsyncConnection,
    series: Series,
    buckets: Buckets,
    now: datetime,
    as_of: datetime | None,
) -> list[MeasuredRemovals]:
    """Read what the sources of a time zone, all of which remove, did so in buckets."""
    then = None
    if as_of is not None:
        then = await hours_then(context.database, [(series, buckets)], HOURLY, now)
    columns = await columns_of(
        connection, series, buckets, HOURLY, now=now, is_past=as_of is not None, then=then
    )
    size = {"sources": len(series.sources), "buckets": len(buckets)}
    fossil, known_ms = source_masses(columns, FOSSIL, **size)
    biogenic, _ = source_masses(columns, BIOGENIC, **size)
    removals = []
    for index, listed in enumerate(series.sources):
        removed, stored = removed_and_stored(
            fossil[index], biogenic[index], is_from_stack(listed.account)
        )
        removals.append(
            MeasuredRemovals(
                listed=listed,
                removed_kg=removed,
                stored_fossil_kg=stored,
                known_ms=known_ms[index],
            )
        )
    return removals


@dataclass(frozen=True, kw_only=True, slots=True)
class BesidePeriod:
    """What stands beside a period of a facility."""

    #: None: what a source removed is unknown
    removed_kg: float | None
    credits_kg: float


#: A facility and the ends of a period, which are whole hours.
Period = tuple[str, datetime, datetime]


async def beside_periods(
    context: Reading,
    facilities: Sequence[FacilityRow],
    periods: Collection[Period],
    now: datetime,
    *,
    as_of: datetime | None,
) -> dict[Period, BesidePeriod]:
    """Read what facilities removed and retired in periods."""
    beside: dict[Period, BesidePeriod] = {}
    async with context.database.read() as connection:
        stated = await balances(connection, [f.slug for f in facilities], as_of)
        for facility in facilities:
            its = [period for period in periods if period[0] == facility.slug]
            if not its:
                continue
            boundaries = sorted({boundary for _, *ends in its for boundary in ends})
            read = await measured_removals(
                context, connection, [facility], boundaries, now, as_of=as_of
            )
            measured = read[facility.slug]
            balance = stated.get(facility.slug)
            for period in its:
                _, begins, ends = period
                part = slice(boundaries.index(begins), boundaries.index(ends))
                of_file = Removed()
                if balance is not None:
                    of_file = stated_between(
                        balance.removals,
                        balance.credits,
                        ZoneInfo(facility.timezone),
                        begins,
                        min(ends, now),
                    )
                is_known = all(removal.known_ms[part].any() for removal in measured)
                kg = [float(removal.removed_kg[part].sum()) for removal in measured]
                beside[period] = BesidePeriod(
                    removed_kg=of_file.removed_kg + sum(kg) if is_known else None,
                    credits_kg=of_file.credits_kg,
                )
    return beside
