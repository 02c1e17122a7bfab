"""What ``/v1/forecast`` reads of each facility: masses of its sources by day and by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.context import Context
from services.api.http.intervals import DAILY, HOURLY, IntervalLength, cut, parse
from services.api.models.source_masses import Floats, source_masses
from services.api.routes.emission_series import columns_of, hours_then, series_of
from services.core.store.answers.buckets import Bucket, Buckets
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.schema.figures import MASSES
from services.core.timeline.instants import DAY, HOUR

Horizon = Literal["day", "month", "year"]

_PERIODS: Final = {"day": DAILY, "month": parse("1mo"), "year": parse("1y")}
#: History that a forecast is made of: three years of days, eight weeks of hours.
_DAYS: Final = 1096
_HOURS: Final = 56 * 24


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Steps:
    """Masses of sources by step; shapes are (sources, steps)."""

    buckets: Buckets
    kg: Floats
    known_ms: Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ForecastReading:
    """What a facility's sources emitted up to ``now``, in the order of ``slugs``."""

    facility: FacilityRow
    now: datetime
    slugs: tuple[str, ...]
    scopes: tuple[int, ...]
    #: whether each counts in sums, and whether it still emits
    counts: tuple[bool, ...]
    active: tuple[bool, ...]
    #: local days, the running one too
    days: Steps
    #: whole hours in UTC; None: they were not asked for
    hours: Steps | None


def period(horizon: Horizon, now: datetime, timezone: str) -> Bucket:
    """Return the calendar period that runs."""
    return cut(_PERIODS[horizon], now, now + HOUR, timezone=timezone, limit=1)[0]


async def forecast_reading(
    context: Context,
    connection: AsyncConnection,
    facility: FacilityRow,
    first_hour: datetime,
    now: datetime,
    *,
    figure: str,
    by_hour: bool,
    as_of: datetime | None,
) -> ForecastReading:
    """Read a facility's history, of which ``first_hour`` is the first.

    ``as_of``: as it was known at ``now``.
    """
    year = period("year", now, facility.timezone).begins
    begins = max(first_hour, min(year, now - _DAYS * DAY))
    (series,) = await series_of(
        connection, context.accounts, [facility], [], begins, now, now=now, as_of=as_of
    )
    mass = next(mass.name for mass in MASSES if mass.stem == figure)
    hour = now.replace(minute=0, second=0, microsecond=0)
    days = cut(DAILY, begins, now, timezone=facility.timezone, limit=_DAYS + 400)
    hours = cut(HOURLY, max(begins, hour - _HOURS * HOUR), hour, timezone="UTC", limit=_HOURS)
    then = None
    if as_of is not None:
        then = await hours_then(context.database, [(series, days)], DAILY, now)

    async def steps(buckets: Buckets, interval: IntervalLength) -> Steps:
        columns = await columns_of(
            connection, series, buckets, interval, now=now, is_past=as_of is not None, then=then
        )
        kg, known_ms = source_masses(
            columns, mass, sources=len(series.sources), buckets=len(buckets)
        )
        return Steps(buckets=buckets, kg=kg, known_ms=known_ms)

    active = {source.id for source in facility.sources} if facility.retired_at is None else set()
    return ForecastReading(
        facility=facility,
        now=now,
        slugs=tuple(listed.source.slug for listed in series.sources),
        scopes=tuple(listed.source.scope for listed in series.sources),
        counts=tuple(listed.counts for listed in series.sources),
        active=tuple(listed.source.id in active for listed in series.sources),
        days=await steps(days, DAILY),
        hours=await steps(hours, HOURLY) if by_hour else None,
    )


def where(reading: ForecastReading, scope: int | None) -> tuple[Sequence[int], Sequence[int]]:
    """Return the sources that count in a scope, and those of them that are active; None: in all."""
    chosen = [
        index
        for index, counts in enumerate(reading.counts)
        if counts and scope in {None, reading.scopes[index]}
    ]
    return chosen, [index for index in chosen if reading.active[index]]
