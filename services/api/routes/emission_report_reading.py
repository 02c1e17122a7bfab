"""Read the record of a report of emissions from what other answers read, and put it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.context import Reading
from services.api.http.intervals import cut, parse
from services.api.routes.emission_report_sums import (
    SourceMonth,
    figures_of,
    source_months,
    standing_of,
)
from services.api.routes.emission_series import columns_of, hours_then, series_of
from services.api.routes.removal_entries import removal_entries, whole_hours
from services.core.accounting.emission_report.period import NotBegunError, Period
from services.core.accounting.emission_report.record import (
    BesideEmissions,
    EmissionReport,
    Figures,
    Masses,
    Method,
    MonthTotal,
    ReportedFacility,
    Restated,
    RuleTotal,
    SourceTotal,
    Total,
    UsedFactor,
)
from services.core.store.answers.counted_factors import counted_factors
from services.core.store.answers.facility_queries import FacilityRow, SourceRow, all_sources
from services.core.store.answers.reported_periods import ReportedPeriod, reported_year
from services.core.store.answers.restatements import SummedChanges, summed_changes
from services.core.store.answers.source_methods import configured, source_methods
from services.core.store.packing import opened
from services.core.store.schema.restatement_reasons import kind_and_cause

_MONTHLY = parse("1mo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a report is of."""

    period: Period
    #: id of the facility or organisation; None: all facilities
    subject: str | None
    name: str | None
    facilities: Sequence[FacilityRow]
    #: up to when is told; no later than ``as_of``
    now: datetime
    #: None: as known now
    as_of: datetime | None
    #: restatements since then; None: since the period was over
    since: datetime | None


@dataclass(kw_only=True, slots=True)
class ReportPart:
    """What one database has of a report."""

    asked: Asked
    #: facilities where the period has begun
    begun: Sequence[FacilityRow]
    months: list[SourceMonth] = field(default_factory=list)
    beside: list[BesideEmissions] = field(default_factory=list)
    restated: list[Restated] = field(default_factory=list)
    facilities: Sequence[ReportedFacility] = ()
    rules: Sequence[RuleTotal] = ()
    methods: Sequence[Method] = ()
    factors: Sequence[UsedFactor] = ()


async def read_part(context: Reading, asked: Asked) -> ReportPart:
    """Read what a database has of a report.

    :raises InvalidRequest: the past of a time zone is not known by its days.
    """
    begun = [f for f in asked.facilities if _bounds(asked, f)[0] < asked.now]
    read = ReportPart(asked=asked, begun=begun)
    async with context.database.read() as connection, opened.snapshot_async(connection):
        for timezone in dict.fromkeys(facility.timezone for facility in begun):
            of_zone = [facility for facility in begun if facility.timezone == timezone]
            await _read_zone(context, connection, asked, of_zone, read)
    source_ids = sorted({month.listed.source.id for month in read.months})
    files = await context.database.read_in_thread(
        partial(configured, facility_ids=[f.id for f in begun], as_of=asked.as_of)
    )
    read.facilities = [_facility(asked, row, files.get(row.slug)) for row in begun]
    read.rules = await _rules(context, asked, [f.slug for f in begun])
    read.methods = await context.database.read_in_thread(
        partial(source_methods, source_ids=source_ids, as_of=asked.as_of)
    )
    read.factors = await _factors(context, asked, source_ids)
    return read


def report_of(parts: Sequence[ReportPart]) -> EmissionReport:
    """Put together what databases have of a report: sums are of all of their sources.

    A facility is in one of them. Each counts by the factors of its own, which the report names.

    :raises NotBegunError: the period has not begun anywhere.
    """
    subjects = {(part.asked.subject, part.asked.name) for part in parts}
    # an organisation is the subject wherever its facilities live
    subject, name = subjects.pop() if len(subjects) == 1 else (None, None)
    # what was read later is known of less
    asked = min((part.asked for part in parts), key=lambda one: one.now)
    begun = sorted((row for part in parts for row in part.begun), key=lambda row: row.slug)
    if not begun and any(part.asked.facilities for part in parts):
        raise NotBegunError(
            f"{asked.period} has not begun: ask for a period that has, such as that of last month"
        )
    months = sorted(
        (month for part in parts for month in part.months), key=lambda month: month.listed.facility
    )
    return EmissionReport(
        period=asked.period,
        subject=subject,
        name=name,
        known_at=asked.now,
        since=asked.since,
        facilities=sorted((row for part in parts for row in part.facilities), key=lambda f: f.id),
        totals=list(_totals(asked, begun, months)),
        months=list(_months(asked, months)),
        sources=list(_sources(asked, months)),
        beside=_by_facility(part.beside for part in parts),
        rules=_by_facility(part.rules for part in parts),
        methods=_by_facility(part.methods for part in parts),
        factors=_by_facility(part.factors for part in parts),
        restatements=sorted(
            (restated for part in parts for restated in part.restated),
            key=lambda r: (r.facility, r.source, r.first_hour),
        ),
    )


class _OfFacility(Protocol):
    @property
    def facility(self) -> str: ...


_Row = TypeVar("_Row", bound=_OfFacility)


def _by_facility(parts: Iterable[Sequence[_Row]]) -> list[_Row]:
    """Put rows in order of their facilities; of one facility they stay as they are."""
    return sorted((row for rows in parts for row in rows), key=lambda row: row.facility)


def _bounds(asked: Asked, facility: FacilityRow) -> tuple[datetime, datetime]:
    return asked.period.bounds(ZoneInfo(facility.timezone))


async def _read_zone(
    context: Reading,
    connection: AsyncConnection,
    asked: Asked,
    facilities: Sequence[FacilityRow],
    read: ReportPart,
) -> None:
    begins, ends = _bounds(asked, facilities[0])
    until = min(ends, asked.now)
    series = await series_of(
        connection,
        context.accounts,
        facilities,
        [],
        begins,
        until,
        now=asked.now,
        as_of=asked.as_of,
    )
    for part in series:
        buckets = cut(_MONTHLY, begins, until, timezone=part.timezone, limit=asked.period.months)
        is_past = asked.as_of is not None
        then = None
        if is_past:
            then = await hours_then(context.database, [(part, buckets)], _MONTHLY, asked.now)
        columns = await columns_of(
            connection, part, buckets, _MONTHLY, now=asked.now, is_past=is_past, then=then
        )
        if columns is not None:
            read.months += source_months(part, buckets, columns, asked.now)
    rows = await removal_entries(
        context, connection, facilities, *whole_hours(begins, ends), asked.now, as_of=asked.as_of
    )
    columns_of_entry = BesideEmissions.__dataclass_fields__
    read.beside += [BesideEmissions(**{key: row[key] for key in columns_of_entry}) for row in rows]
    await _read_changes(connection, asked, facilities, (begins, ends), read)


async def _read_changes(
    connection: AsyncConnection,
    asked: Asked,
    facilities: Sequence[FacilityRow],
    between: tuple[datetime, datetime],
    read: ReportPart,
) -> None:
    sources = await all_sources(connection, facilities)
    begins, ends = between
    changes = await summed_changes(
        connection,
        list(sources),
        begins=begins,
        ends=ends,
        known_from=asked.since or ends,
        as_of=asked.as_of,
    )
    read.restated += [_restated(*sources[change.source_id], change) for change in changes]


def _restated(facility: FacilityRow, source: SourceRow, change: SummedChanges) -> Restated:
    reason, cause = kind_and_cause(change.reason)
    co2_ug, co2e_ug, market_based_ug, biogenic_ug = change.differences_ug
    return Restated(
        facility=facility.slug,
        source=source.slug,
        reason=reason,
        cause=cause,
        changes=change.changes,
        first_hour=change.first_hour,
        last_hour=change.last_hour,
        first_known_at=change.first_known_at,
        last_known_at=change.last_known_at,
        difference=Masses(
            co2_ug=co2_ug, co2e_ug=co2e_ug, market_based_ug=market_based_ug, biogenic_ug=biogenic_ug
        ),
    )


def _facility(
    asked: Asked, row: FacilityRow, file: tuple[datetime, str] | None
) -> ReportedFacility:
    begins, ends = _bounds(asked, row)
    return ReportedFacility(
        id=row.slug,
        name=row.name,
        timezone=row.timezone,
        begins=begins,
        ends=ends,
        retired_at=row.retired_at,
        configured_at=None if file is None else file[0],
        configuration=None if file is None else file[1],
    )


def _totals(
    asked: Asked, facilities: Sequence[FacilityRow], months: Sequence[SourceMonth]
) -> Iterable[Total]:
    counted = [month for month in months if month.listed.counts]
    groups: list[tuple[str | None, list[SourceMonth]]] = []
    if len(facilities) > 1:
        groups.append((None, counted))
    groups += [
        (facility.slug, [m for m in counted if m.listed.facility == facility.slug])
        for facility in facilities
    ]
    for facility_id, members in groups:
        scopes = sorted({month.listed.source.scope for month in members})
        for scope in (None, *scopes):
            chosen = [m for m in members if scope is None or m.listed.source.scope == scope]
            if chosen:
                yield Total(
                    facility=facility_id,
                    scope=scope,
                    sources=len({month.listed.source.id for month in chosen}),
                    figures=_of_period(asked, chosen),
                )


def _of_period(asked: Asked, months: Sequence[SourceMonth]) -> Figures:
    bounds = [asked.period.bounds(zone) for zone in dict.fromkeys(month.zone for month in months)]
    begins, ends = bounds[0]
    return figures_of(months, begins, ends, is_over=all(last <= asked.now for _, last in bounds))


def _months(asked: Asked, months: Sequence[SourceMonth]) -> Iterable[MonthTotal]:
    groups: dict[tuple[str, datetime], list[SourceMonth]] = {}
    for month in months:
        if month.listed.counts:
            groups.setdefault((month.listed.facility, month.begins), []).append(month)
    for (facility, begins), members in sorted(groups.items()):
        ends = members[0].ends
        yield MonthTotal(
            facility=facility,
            month=f"{begins.astimezone(members[0].zone):%Y-%m}",
            begins=begins,
            figures=figures_of(members, begins, ends, is_over=ends <= asked.now),
        )


def _sources(asked: Asked, months: Sequence[SourceMonth]) -> Iterable[SourceTotal]:
    groups: dict[tuple[str, str], list[SourceMonth]] = {}
    for month in months:
        groups.setdefault((month.listed.facility, month.listed.source.slug), []).append(month)
    for (facility_id, slug), members in sorted(groups.items()):
        listed = members[0].listed
        activities = [m.activity_n for m in members if m.activity_n is not None]
        yield SourceTotal(
            facility=facility_id,
            id=slug,
            name=listed.source.name,
            scope=listed.source.scope,
            standing=standing_of(listed),
            activity=sum(activities) / 1e9 if activities else None,
            activity_unit=listed.source.activity_unit,
            voided_hours=sum(month.voided_hours for month in members),
            unknown=next((month.unknown for month in members if month.unknown), None),
            stale_factor=None if listed.stale is None else listed.stale.why,
            figures=_of_period(asked, members),
        )


async def _rules(context: Reading, asked: Asked, slugs: Sequence[str]) -> list[RuleTotal]:
    """Read what rules report of the period; of a year its quarters too, of a month nothing."""
    if asked.period.kind == "month":
        return []
    periods = await context.database.read_in_thread(
        lambda c: reported_year(c, slugs, asked.period.year, asked.now, asked.as_of)
    )
    return [_rule(period) for period in periods if period.name.startswith(str(asked.period))]


def _rule(period: ReportedPeriod) -> RuleTotal:
    return RuleTotal(
        facility=period.facility,
        source=period.source,
        period=period.name,
        begins=period.begins,
        ends=period.ends,
        reporting_zone=period.reporting_zone,
        equation=period.equation.id,
        citation=period.equation.citation,
        unit=period.equation.unit.removesuffix("/h"),
        value=period.total.value,
        unrounded=period.total.unrounded,
        operating_h=period.operating,
        hours_waiting=period.waiting,
        is_final=period.final,
        reason=period.total.reason,
    )


async def _factors(context: Reading, asked: Asked, source_ids: Sequence[int]) -> list[UsedFactor]:
    first_day, end_day = asked.period.days
    rows = await context.database.read_in_thread(
        partial(
            counted_factors,
            source_ids=source_ids,
            first_day=first_day,
            end_day=end_day,
            as_of=asked.as_of,
        )
    )
    keys = UsedFactor.__dataclass_fields__
    return [UsedFactor(**{key: row[key] for key in keys}) for row in rows]
