"""What Prometheus' calls read: the stored totals that the selectors of a query look at."""

from __future__ import annotations

# Texts here stay English: they are as Prometheus words them
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.auth import Principal, seen_facilities
from services.api.context import Context
from services.api.http.intervals import HOURLY, cut, parse, whole_hours
from services.api.models.emission_table import ListedSource, Series
from services.api.prometheus.evaluate import Select
from services.api.prometheus.expressions import Selector
from services.api.prometheus.labels import NAME, Labels, are_taken, labels_of
from services.api.prometheus.metrics import COUNTERS, METRICS, Metric
from services.api.prometheus.query import Looked
from services.api.prometheus.refusals import ExecutionError
from services.api.prometheus.stored_series import (
    Part,
    StoredTotals,
    all_labels,
    series_of_totals,
    source_labels,
)
from services.api.prometheus.values import Samples
from services.api.routes.emission_series import columns_of, series_of
from services.core.store.answers import emissions
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.first_hours import first_hours
from services.core.store.schema.figures import MASSES
from services.core.timeline.instants import (
    EPOCH,
    HOUR,
    MILLISECOND,
    MINUTE,
    hour_at_or_before,
    to_us,
)

_MONTHLY: Final = parse("1mo")
_BY_MINUTE: Final = parse("1m")
_NO_LIMIT: Final = 10**9
#: As Prometheus, so many samples of all series together; here they take 16 bytes each.
_MAX_SAMPLES: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class _Needed:
    """What a query looks at: metrics, and between which instants."""

    looked: Sequence[Looked]
    metrics: tuple[Metric, ...]
    begins: datetime
    ends: datetime


def metrics_of(selectors: Sequence[Selector]) -> tuple[Metric, ...]:
    """Return the metrics that any of the selectors may take."""
    return tuple(
        metric
        for metric in METRICS
        if any(
            all(m.takes(metric.name) for m in selector.matchers if m.name == NAME)
            for selector in selectors
        )
    )


def taken_sources(
    looked: Sequence[Looked], sources: Sequence[ListedSource]
) -> tuple[ListedSource, ...]:
    """Return the sources of which selectors may take any series."""
    wanted = {tuple(m for m in look.selector.matchers if m.name != NAME) for look in looked}
    labels = (labels_of(source_labels(listed)) for listed in sources)
    return tuple(
        listed
        for listed, its in zip(sources, labels, strict=True)
        if listed.counts and any(are_taken(its, matchers) for matchers in wanted)
    )


async def stored_select(context: Context, who: Principal, looked: Sequence[Looked]) -> Select:
    """Read what selectors look at, of the facilities that the key sees, in every cell.

    :raises ExecutionError: it is more than one answer may take.
    :raises CellAway: a cell does not answer.
    """
    if context.cells is None:
        return await _stored_select(context, who, looked)
    selects = await context.cells.of_all(
        who.facilities, lambda cell: _stored_select(cell, who, looked)
    )

    def select(selector: Selector) -> list[Samples]:
        series = [samples for of_cell in selects for samples in of_cell(selector)]
        return sorted(series, key=lambda samples: samples.labels)

    return select


async def _stored_select(context: Context, who: Principal, looked: Sequence[Looked]) -> Select:
    now = context.clock.now()
    needed = _needed(looked, now)
    if needed is None:
        return lambda _: []
    async with context.database.read() as connection:
        facilities = await _named(connection, context, who, looked)
    ids = [facility.id for facility in facilities]
    since = await context.database.read_in_thread(lambda c: first_hours(c, ids))
    async with context.database.read() as connection:
        totals = [
            await _totals(connection, context, part, facilities, since, needed, now)
            for part in await _listed(connection, context, facilities, needed, now)
        ]
    return await asyncio.to_thread(_select_of, needed, totals)


def _needed(looked: Sequence[Looked], now: datetime) -> _Needed | None:
    metrics = metrics_of([look.selector for look in looked])
    if not looked or not metrics:
        return None
    # nothing is stored beyond either
    now_ms = (now - EPOCH) // MILLISECOND
    first_ms = max(0, min(look.first_ms for look in looked))
    last_ms = min(now_ms, max(look.last_ms for look in looked))
    if last_ms < first_ms:
        return None
    begins = EPOCH + first_ms * MILLISECOND - MINUTE
    return _Needed(looked, metrics, max(EPOCH, begins), EPOCH + last_ms * MILLISECOND)


async def _named(
    connection: AsyncConnection, context: Context, who: Principal, looked: Sequence[Looked]
) -> list[FacilityRow]:
    """Read the facilities that selectors may take, of those that the key sees."""
    facilities = await seen_facilities(connection, context, who, [])
    return [
        facility
        for facility in facilities
        if any(
            all(m.takes(facility.slug) for m in look.selector.matchers if m.name == "facility")
            for look in looked
        )
    ]


async def _listed(
    connection: AsyncConnection,
    context: Context,
    facilities: Sequence[FacilityRow],
    needed: _Needed,
    now: datetime,
) -> list[Series]:
    """Read the sources that are looked at, and count in sums, by time zone."""
    series = await series_of(
        connection,
        context.accounts,
        facilities,
        [],
        needed.begins,
        max(needed.ends, needed.begins + MINUTE),
        now=now,
    )
    # hundreds of selectors may meet thousands of sources
    taken = [
        Series(
            timezone=part.timezone,
            sources=await asyncio.to_thread(taken_sources, needed.looked, part.sources),
        )
        for part in series
    ]
    return [part for part in taken if part.sources]


async def _totals(
    connection: AsyncConnection,
    context: Context,
    series: Series,
    facilities: Sequence[FacilityRow],
    since: Mapping[int, datetime],
    needed: _Needed,
    now: datetime,
) -> StoredTotals:
    """Read hours of a time zone's sources, then the minutes of the last days."""
    by_slug = {facility.slug: facility for facility in facilities}
    first_known = {facility.slug: since.get(facility.id, needed.ends) for facility in facilities}
    earliest = min(first_known[listed.facility] for listed in series.sources)
    begins = hour_at_or_before(max(needed.begins, earliest))
    by_minute = hour_at_or_before(
        now - timedelta(days=context.settings.api_prometheus_minutes_days)
    )
    middle = max(begins, min(by_minute, hour_at_or_before(needed.ends) + HOUR))
    hours = cut(HOURLY, begins, middle, timezone="UTC", limit=_NO_LIMIT)
    # a minute that has not ended has no sample yet
    last = needed.ends.replace(second=0, microsecond=0)
    minutes = cut(_BY_MINUTE, max(middle, begins), last, timezone="UTC", limit=_NO_LIMIT)
    count = (60 * len(hours) + len(minutes)) * len(series.sources) * len(needed.metrics)
    if count > _MAX_SAMPLES:
        raise ExecutionError(
            "query processing would load too many samples into memory in query execution; ask for a"
            " shorter time or range, or fewer facilities, sources or metrics"
        )
    ids = [listed.source.id for listed in series.sources]
    parts = []
    if len(hours):
        parts.append(Part(hours, await emissions.whole_hours(connection, ids, hours, now=now)))
    if len(minutes):
        columns = await emissions.parts_of_hours(connection, ids, minutes, now=now)
        parts.append(Part(minutes, columns))
    before = {mass.name: [0] * len(ids) for mass in MASSES}
    if any(metric in COUNTERS for metric in needed.metrics) and parts:
        before = await _before(connection, series, earliest, begins, now)
    return StoredTotals(
        sources=series.sources,
        parts=parts,
        before_ug=before,
        in_force=[_is_in_force(by_slug[s.facility], s) for s in series.sources],
        since_us=[to_us(first_known[listed.facility]) for listed in series.sources],
    )


def _is_in_force(facility: FacilityRow, listed: ListedSource) -> bool:
    active = {source.id for source in facility.sources}
    return facility.retired_at is None and listed.source.id in active


async def _before(
    connection: AsyncConnection,
    series: Series,
    earliest: datetime,
    begins: datetime,
    now: datetime,
) -> dict[str, list[int]]:
    """Add up what sources emitted before an hour: stored sums of months, and the hours after."""
    sums = {mass.name: [0] * len(series.sources) for mass in MASSES}
    ids = [listed.source.id for listed in series.sources]
    first = hour_at_or_before(earliest)
    if whole_hours(series.timezone, first, begins):
        months = cut(_MONTHLY, first, begins, timezone=series.timezone, limit=_NO_LIMIT)
        if len(months):
            last = months[-1].begins
            months = Buckets(months.begins_us[:-1], months.ends_us[:-1])
            columns = await columns_of(
                connection, series, months, _MONTHLY, now=now, is_past=False, then=None
            )
            _add(sums, columns, len(months))
            first = last if len(months) else first
    if first < begins:
        rest = Buckets.between([first, begins])
        _add(sums, await emissions.whole_hours(connection, ids, rest, now=now), 1)
    return sums


def _add(sums: dict[str, list[int]], columns: EmissionColumns | None, buckets: int) -> None:
    if columns is None:
        return
    for name, of_sources in sums.items():
        masses = columns.masses_ug[name].reshape(buckets, len(of_sources))
        for source, total in enumerate(masses.astype(object).sum(axis=0)):
            of_sources[source] += int(total)


def _select_of(needed: _Needed, totals: Sequence[StoredTotals]) -> Select:
    series: list[Samples] = [
        samples
        for part in totals
        for metric in needed.metrics
        for samples in series_of_totals(part, metric)
    ]
    series.sort(key=lambda samples: samples.labels)
    return lambda selector: [s for s in series if are_taken(s.labels, selector.matchers)]


async def known_series(
    context: Context,
    who: Principal,
    selectors: Sequence[Selector],
    first_ms: int,
    last_ms: int,
) -> list[Labels]:
    """Return the labels of the series that sources have in a time, and any selector takes.

    Without selectors it is all. In order of the labels, of every cell.

    :raises CellAway: a cell does not answer.
    """
    if context.cells is None:
        return await _known_series(context, who, selectors, first_ms, last_ms)
    lists = await context.cells.of_all(
        who.facilities, lambda cell: _known_series(cell, who, selectors, first_ms, last_ms)
    )
    return sorted(labels for of_cell in lists for labels in of_cell)


async def _known_series(
    context: Context,
    who: Principal,
    selectors: Sequence[Selector],
    first_ms: int,
    last_ms: int,
) -> list[Labels]:
    now = context.clock.now()
    looked = [Looked(selector, first_ms, last_ms) for selector in selectors or [Selector(())]]
    needed = _needed(looked, now)
    if needed is None:
        return []
    async with context.database.read() as connection:
        facilities = await _named(connection, context, who, looked)
        series = await _listed(connection, context, facilities, needed, now)
    return sorted(
        labels
        for part in series
        for labels in all_labels(part.sources)
        if any(are_taken(labels, look.selector.matchers) for look in looked)
    )
