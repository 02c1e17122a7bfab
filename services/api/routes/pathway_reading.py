"""What ``/v1/pathway`` reads of each facility: masses by day, and how fast it emits now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.context import Context
from services.api.http.intervals import DAILY, HOURLY, cut
from services.api.models.emission_table import Series
from services.api.models.source_masses import source_masses
from services.api.routes.emission_series import columns_of, hours_then, series_of
from services.api.routes.pathway_removed import stated_by_year, with_measured
from services.core.accounting.pathway.balance import Removed
from services.core.accounting.pathway.days import Components, DailyMasses
from services.core.accounting.pathway.standing import Moment
from services.core.accounting.uncertainty import Component
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.paths import FacilityPaths
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.store.emissions.base_years import local_year
from services.core.store.registry.pathways import StatedPath
from services.core.store.schema.figures import MASSES
from services.core.timeline.instants import DAY, HOUR

#: Whole hours whose mean is the present rate.
_RATE_HOURS = 24
#: Days of an answer; no facility has more history.
_MAX_DAYS = 100_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScopeReading:
    """One path of a facility, and what was emitted in its scope."""

    facility: FacilityRow
    stated: StatedPath
    now: Moment
    #: None: nothing was ever known
    days: DailyMasses | None
    rate_kg_day: float | None
    #: of these hours, of the sources that the rate counts; None: there is no rate
    rate_known_share: float | None
    #: active sources of which nothing is known in the newest whole hours
    silent: tuple[str, ...]
    #: by year after the base year
    removed: Mapping[int, Removed]


async def readings(
    context: Context,
    connection: AsyncConnection,
    facilities: Sequence[FacilityRow],
    paths: dict[int, FacilityPaths],
    now: datetime,
    *,
    as_of: datetime | None,
) -> list[ScopeReading]:
    """Read what the scopes of the facilities with a path emitted, up to ``now``."""
    read: list[ScopeReading] = []
    for facility in facilities:
        of_facility = paths.get(facility.id)
        if of_facility is None:
            continue
        moment = _moment(now, facility.timezone)
        if of_facility.first_hour is None or of_facility.first_hour >= now:
            read += [
                ScopeReading(
                    facility=facility,
                    stated=stated,
                    now=moment,
                    days=None,
                    rate_kg_day=None,
                    rate_known_share=None,
                    silent=tuple(s.slug for s in facility.sources if s.scope == stated.spec.scope),
                    removed=_stated(of_facility, stated, facility, now),
                )
                for stated in of_facility.paths
            ]
            continue
        (series,) = await series_of(
            connection,
            context.accounts,
            [facility],
            [],
            of_facility.first_hour,
            now,
            now=now,
            as_of=as_of,
        )
        hour = now.replace(minute=0, second=0, microsecond=0)
        days = cut(DAILY, of_facility.first_hour, now, timezone=facility.timezone, limit=_MAX_DAYS)
        hours = cut(HOURLY, hour - _RATE_HOURS * HOUR, hour, timezone="UTC", limit=_RATE_HOURS)
        then = None
        if as_of is not None:
            then = await hours_then(context.database, [(series, days)], DAILY, now)
        by_day, by_hour = [
            await columns_of(
                connection, series, buckets, interval, now=now, is_past=as_of is not None, then=then
            )
            for buckets, interval in ((days, DAILY), (hours, HOURLY))
        ]
        read += [
            _reading(
                facility,
                series,
                stated,
                moment,
                (days, by_day),
                by_hour,
                now,
                _stated(of_facility, stated, facility, now),
            )
            for stated in of_facility.paths
        ]
    return read


def _reading(
    facility: FacilityRow,
    series: Series,
    stated: StatedPath,
    moment: Moment,
    daily: tuple[Buckets, EmissionColumns | None],
    by_hour: EmissionColumns | None,
    now: datetime,
    removed: dict[int, Removed],
) -> ScopeReading:
    buckets, by_day = daily
    sources = [listed.source for listed in series.sources]
    chosen = [
        index
        for index, listed in enumerate(series.sources)
        if listed.source.scope == stated.spec.scope and listed.counts
    ]
    mass = next(mass.name for mass in MASSES if mass.stem == stated.spec.figure)
    count = len(sources)
    kg, known_ms = source_masses(by_day, mass, sources=count, buckets=len(buckets))
    hour_kg, hour_ms = source_masses(by_hour, mass, sources=count, buckets=_RATE_HOURS)
    zone = ZoneInfo(facility.timezone)
    lengths = [min(b.ends, now) - b.begins for b in buckets]
    active = {source.id for source in facility.sources}
    heard = [index for index in chosen if hour_ms[index].any()]
    rate = rate_known_share = None
    if heard:
        rate = float(
            sum(hour_kg[i].sum() / hour_ms[i].sum() for i in heard)
            * (DAY / timedelta(milliseconds=1))
        )
        whole = len(heard) * _RATE_HOURS * (HOUR / timedelta(milliseconds=1))
        rate_known_share = min(1.0, float(hour_ms[heard].sum()) / whole)
    return ScopeReading(
        facility=facility,
        stated=stated,
        now=moment,
        days=DailyMasses(
            first=buckets[0].begins.astimezone(zone).date(),
            kg=kg[chosen],
            known_ms=known_ms[chosen],
            day_ms=np.array([length / timedelta(milliseconds=1) for length in lengths]),
            whole_days=len(buckets) - (1 if buckets[-1].ends > now else 0),
            components=[_components(series.sources[i].account) for i in chosen],
        ),
        rate_kg_day=rate,
        rate_known_share=rate_known_share,
        silent=tuple(sources[i].slug for i in chosen if i not in heard and sources[i].id in active),
        removed=with_measured(removed, series, stated.spec.scope, daily),
    )


def _stated(
    of_facility: FacilityPaths, stated: StatedPath, facility: FacilityRow, now: datetime
) -> dict[int, Removed]:
    """Return what the file states of removals and credits in the years of a path."""
    last = now.astimezone(ZoneInfo(facility.timezone)).year
    years = range(stated.spec.base.year + 1, last + 1)
    return stated_by_year(of_facility.balance, stated.spec.scope, years, facility.timezone, now)


def _components(account: SourceAccount | None) -> Components:
    def components(first: date, last: date) -> tuple[Component, ...] | None:
        return None if account is None else account.components(first, last)

    return components


def _moment(now: datetime, timezone: str) -> Moment:
    year = now.astimezone(ZoneInfo(timezone)).year
    begins, ends = local_year(year, timezone)
    return Moment(year=year, elapsed=(now.astimezone(UTC) - begins) / (ends - begins))
