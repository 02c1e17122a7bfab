"""``/v1/pathway``: how facilities stand on their paths to net zero."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import Context, InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.gathered import combined_answer
from services.api.http.parameters import FacilityList, Instant, Query
from services.api.http.problems import NotFound
from services.api.http.shapes import Row, Shape
from services.api.models.pathway import PathStanding, PathYear
from services.api.routes import pathway_groups
from services.api.routes.asked import moment
from services.api.routes.pathway_balance import balance_row, counting_row, removed_row
from services.api.routes.pathway_groups import DatedPeak, ScopeStanding, standing
from services.api.routes.pathway_organisation import (
    organisation_readings,
    organisation_standing,
)
from services.api.routes.pathway_reading import readings
from services.api.routes.pathway_weather import weather
from services.core.accounting.pathway.progress import least_share, sum_of_known
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.paths import facility_paths
from services.core.store.emissions.base_years import local_year
from services.core.store.registry.organisations import Membership

router = APIRouter(tags=["pathway"])

_STANDINGS = Shape(PathStanding)
_YEARS = Shape(PathYear)

_BOTH = (
    "Gross: removals and credits stand beside emissions and are deducted from none. Only facilities"
    " whose file states a `pathway` have rows. JSON or, with `Accept: text/csv`, CSV."
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Group:
    """What one row is of; ``members``: whose days its peak is found in."""

    parts: list[ScopeStanding]
    members: list[ScopeStanding]
    #: where the first of them lives
    context: Context


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Paths:
    """What one database has of an answer."""

    facilities: list[FacilityRow]
    groups: list[_Group]
    now: datetime
    #: whose paths they are; None: those of the facilities
    organisation: Membership | None = None

    @staticmethod
    def added_up(databases: Sequence[_Paths]) -> _Paths:
        """Add paths of a scope and figure up over the facilities of all databases."""
        groups: dict[tuple[int, str], list[_Group]] = {}
        for group in (group for read in databases for group in read.groups):
            spec = group.parts[0].reading.stated.spec
            groups.setdefault((spec.scope, spec.figure), []).append(group)
        organisation = databases[0].organisation
        return _Paths(
            facilities=[facility for read in databases for facility in read.facilities],
            groups=[_sum_of(groups[key], organisation) for key in sorted(groups)],
            now=min(read.now for read in databases),
            organisation=organisation,
        )


def _sum_of(groups: Sequence[_Group], organisation: Membership | None) -> _Group:
    ordered = sorted(groups, key=lambda group: group.parts[0].reading.facility.slug)
    members = [part for group in ordered for part in group.parts]
    # an organisation has a path of its own
    parts = members if organisation is None else [organisation_standing(organisation, members)]
    return _Group(parts=parts, members=members, context=ordered[0].context)


class PathwayQuery(Query):
    """Parameters of both calls."""

    facility: FacilityList = Field([])
    scope: int | None = Field(None, ge=1, le=3, description="one scope; default: all", examples=[1])
    organisation: str | None = Field(
        None,
        min_length=1,
        description="the paths of an organisation's own file, over its facilities; instead of"
        " `facility` and `total`",
        examples=["group"],
    )
    total: bool = Field(
        False,
        description="adds the paths of a scope and figure up over all facilities that are asked for"
        " and have one",
    )
    as_of: Instant | None = Field(
        None,
        description="answers with what was known at this time, the base year's figure too; default:"
        " now",
    )
    format: TextFormat = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.organisation is not None and (self.facility or self.total):
            raise ValueError("organisation names its facilities: leave facility and total out")
        return self


@router.get(
    "/v1/pathway",
    summary="List how paths to net zero stand",
    response_model=list[PathStanding],
    responses=_STANDINGS.documented(
        "A row for each path: what may still be emitted, how long that lasts, whether the trend"
        f" crosses the path and whether emissions have peaked. {_BOTH}",
        NotFound,
    ),
)
async def get_pathway(
    context: InContext,
    who: Reader,
    query: Annotated[PathwayQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List how facilities stand on their paths."""

    async def answer(read: _Paths, headers: Mapping[str, str]) -> Response:
        rows = []
        async with AsyncExitStack() as opened:
            connections: dict[int, AsyncConnection] = {}
            for group in read.groups:
                parts, database = group.parts, group.context.database
                dated = pathway_groups.peak_of(group.members)
                if id(database) not in connections:
                    connections[id(database)] = await opened.enter_async_context(database.read())
                its_weather = await weather(
                    connections[id(database)], parts, dated, is_past=query.as_of is not None
                )
                row = _standing(parts, read.now, dated, its_weather)
                rows.append({**row, "organisation": query.organisation})
        return rows_answer(rows, _STANDINGS, accept=accept, name=query.format, headers=headers)

    return await _answered(await _paths(context, who, query), query, answer)


@router.get(
    "/v1/pathway/years",
    summary="List the years of paths to net zero",
    response_model=list[PathYear],
    responses=_YEARS.documented(
        "A row for each year of each path, from the one after the base year to the path's last:"
        f" what may be emitted and what was, in it and cumulatively. {_BOTH}",
        NotFound,
    ),
)
async def get_pathway_years(
    context: InContext,
    who: Reader,
    query: Annotated[PathwayQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List what is allowed and actual by year."""

    async def answer(read: _Paths, headers: Mapping[str, str]) -> Response:
        rows = [
            {**row, "organisation": query.organisation}
            for group in read.groups
            for row in _years(group.parts)
        ]
        return rows_answer(rows, _YEARS, accept=accept, name=query.format, headers=headers)

    return await _answered(await _paths(context, who, query), query, answer)


async def _answered(
    read: _Paths,
    query: PathwayQuery,
    answer: Callable[[_Paths, Mapping[str, str]], Awaitable[Response]],
) -> Response:
    """Answer with rows of one database, or with sums over all facilities, wherever they live."""
    headers = retired_header(read.facilities, query.facility)
    if not query.total and query.organisation is None:
        return await answer(read, headers)

    async def total(databases: Sequence[_Paths], of_all: Mapping[str, str]) -> Response:
        return await answer(_Paths.added_up(databases), of_all)

    return await combined_answer(read, total, headers)


async def _paths(context: InContext, who: Reader, query: PathwayQuery) -> _Paths:
    """Read the paths that are asked for, by facility or of the organisation."""
    now, as_of = moment(context, query.as_of)
    if query.organisation is not None:
        members, of_members = await organisation_readings(
            context, who, query.organisation, scope=query.scope, now=now, as_of=as_of
        )
        return _Paths(
            facilities=members.facilities,
            groups=[_Group(parts=[one], members=[one], context=context) for one in of_members],
            now=now,
            organisation=members.membership,
        )
    facilities = await visible_facilities(context, who, query.facility)
    ids = [facility.id for facility in facilities]
    paths = await context.database.read_in_thread(
        lambda c: facility_paths(c, ids, as_of, query.scope)
    )
    async with context.database.read() as connection:
        read = await readings(context, connection, facilities, paths, now, as_of=as_of)
    of_facilities = sorted((standing(reading) for reading in read), key=_place)
    groups = [_Group(parts=[one], members=[one], context=context) for one in of_facilities]
    return _Paths(facilities=facilities, groups=groups, now=now)


def _place(path: ScopeStanding) -> tuple[str, int, str]:
    spec = path.reading.stated.spec
    return path.reading.facility.slug, spec.scope, spec.figure


def _common(parts: Sequence[ScopeStanding]) -> Row:
    spec = parts[0].reading.stated.spec
    return {
        "organisation": None,
        "facility": " ".join(part.reading.facility.slug for part in parts),
        "scope": spec.scope,
        "figure": spec.figure,
        "basis": "gross",
    }


def _standing(
    parts: Sequence[ScopeStanding], now: datetime, dated: DatedPeak | None, weather: Row
) -> Row:
    specs = [part.reading.stated.spec for part in parts]
    policies = {spec.policy: spec.definition for spec in specs}
    bases = [part.reading.stated.base for part in parts]
    base = bases[0] if len(parts) == 1 else None
    paths = [part.path for part in parts]
    known_paths = [path for path in paths if path is not None]
    is_known = len(known_paths) == len(paths)
    total = pathway_groups.total(parts)
    half = pathway_groups.gap_half_kg(parts)
    gap = None if total is None else total.gap_kg
    neutral = [path.neutral_year for path in known_paths]
    year = min(part.reading.now.year for part in parts)
    return _STANDINGS.row(
        total,
        **_common(parts),
        time=now,
        policy=" ".join(policies),
        policy_source="; ".join(p.source for p in policies.values() if p.source) or None,
        policy_published=" ".join(
            f"{p.published}" for p in policies.values() if p.published is not None
        )
        or None,
        base_year=min(spec.base.year for spec in specs),
        base_kg=sum(path.base_kg for path in known_paths) if is_known else None,
        base_version=None if base is None else base.version,
        base_known_at=None if base is None else base.known_at,
        base_cause=None if base is None else base.cause,
        year=year,
        allowed_kg=None if total is None else total.allowed_kg.get(year),
        actual_kg=_actual(parts, year),
        known_share=pathway_groups.known_share(parts, year),
        rate_known_share=least_share(part.reading.rate_known_share for part in parts),
        silent_sources=" ".join(
            name if len(parts) == 1 else f"{part.reading.facility.slug}.{name}"
            for part in parts
            for name in part.reading.silent
        ),
        last_year=max(path.last_year for path in known_paths) if is_known else None,
        neutral_year=max(n for n in neutral if n is not None)
        if is_known and None not in neutral
        else None,
        residual_kg=sum(path.residual_kg for path in known_paths) if is_known else None,
        missing_years=" ".join(str(y) for y in sorted({y for p in parts for y in p.missing})),
        gap_low_kg=None if gap is None or half is None else gap - half,
        gap_high_kg=None if gap is None or half is None else gap + half,
        **({} if total is not None else dict.fromkeys(_OF_PROGRESS)),
        **_peak(parts, dated),
        **weather,
        reason=pathway_groups.reason(parts, total),
        **removed_row(parts, year),
        **counting_row(parts),
    )


#: What a row tells of progress, under the same names.
_OF_PROGRESS = (
    "year_left_kg",
    "year_days_left",
    "rate_kg_day",
    "budget_kg",
    "budget_left_kg",
    "days_left",
    "allowed_to_date_kg",
    "actual_to_date_kg",
    "known_share_to_date",
    "gap_kg",
    "trend_kg_a_year",
    "crosses_year",
    "newest_365d_kg",
)


def _actual(parts: Sequence[ScopeStanding], year: int) -> float | None:
    """Return what all emitted in a year; None: nothing is known of one whose path has begun."""
    begun = [part for part in parts if part.reading.stated.spec.base.year < year]
    if not begun:
        return None
    return sum_of_known(part.actual[year].kg if year in part.actual else None for part in begun)


def _peak(parts: Sequence[ScopeStanding], dated: DatedPeak | None) -> Row:
    if dated is None:
        names = ("highest_365d_kg", "highest_365d_until", "below_peak_kg", "below_peak_half_kg")
        return {**dict.fromkeys(names), "peak": None}
    zone = ZoneInfo(parts[0].reading.facility.timezone)
    after = dated.highest_on + timedelta(days=1)
    return {
        "highest_365d_kg": dated.peak.highest_kg,
        "highest_365d_until": datetime(after.year, after.month, after.day, tzinfo=zone),
        "below_peak_kg": dated.peak.below_kg,
        "below_peak_half_kg": dated.peak.half_kg,
        "peak": dated.peak.verdict,
    }


def _years(parts: Sequence[ScopeStanding]) -> Iterator[Row]:
    first = min(part.reading.stated.spec.base.year for part in parts) + 1
    last = max(
        part.reading.now.year
        if part.path is None
        else max(part.path.last_year, part.reading.now.year)
        for part in parts
    )
    allowed_sum: float | None = 0.0
    actual_sum: float | None = 0.0
    for year in range(first, last + 1):
        begun = [part for part in parts if part.reading.stated.spec.base.year < year]
        allowed = sum_of_known(
            None if part.path is None else part.path.allowed(year) for part in begun
        )
        actual = _actual(parts, year)
        allowed_sum = None if allowed is None or allowed_sum is None else allowed_sum + allowed
        actual_sum = None if actual is None or actual_sum is None else actual_sum + actual
        origins = {part.actual[year].origin for part in begun if year in part.actual}
        yield {
            **_common(begun),
            "time": local_year(year, begun[0].reading.facility.timezone)[0],
            "year": year,
            "allowed_kg": allowed,
            "actual_kg": actual,
            "origin": None if actual is None else "both" if len(origins) > 1 else origins.pop(),
            "known_share": pathway_groups.known_share(begun, year),
            "cumulative_allowed_kg": allowed_sum,
            "cumulative_actual_kg": actual_sum,
            **removed_row(begun, year),
            **balance_row(begun, year),
        }
