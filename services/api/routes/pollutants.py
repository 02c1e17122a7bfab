"""``/v1/pollutants``: means and masses of what a stack emits beside CO2."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.gathered import not_here
from services.api.http.intervals import IntervalLength, count_about, cut, parse
from services.api.http.pages import MAX_ROWS, CursorText, Pages, RowLimit, refuse_beyond
from services.api.http.parameters import FacilityList, Instant, SlugList, SourceList, TimeSpan
from services.api.http.problems import InvalidRequest, NotFound, TooManyRows
from services.api.http.shapes import Shape
from services.api.models.pollutants import PollutantMean
from services.core.accounting.pollutants.standardisation import CONCENTRATION, OXYGEN
from services.core.accounting.stack.measured import FLOW, MOISTURE
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.pollutants import (
    MeanRow,
    Place,
    StackPollutants,
    bucket_means,
    formed_means,
    stacks,
    with_means,
)
from services.core.store.schema.figures import kg
from services.core.timeline.instants import HOUR_MS, rfc3339

router = APIRouter(tags=["pollutants"])

_ROWS = Shape(PollutantMean)
_PAGES: Pages[MeanRow, Place] = Pages("/v1/pollutants", Cursor(Place), lambda row: row.place)

PollutantList = Annotated[
    SlugList, Field(description="pollutant ids; none: all", examples=[["nox"]])
]


def _checked(interval: str | None) -> str | None:
    if interval is not None:
        parse(interval)
    return interval


class PollutantsQuery(TimeSpan):
    """Parameters of ``GET /v1/pollutants``."""

    facility: FacilityList = Field([])
    source: SourceList = Field([])
    pollutant: PollutantList = Field([])
    interval: Annotated[str | None, AfterValidator(_checked)] = Field(
        None,
        description="length of an interval, such as `30m`, `1h`, `1d`, `36h`, `1mo`, a multiple of"
        " the averaging interval of the pollutants; it starts as of `GET /v1/emissions`;"
        " default: the averaging interval of each",
        examples=["1d"],
    )
    as_of: Instant | None = Field(
        None, description="returns means as they were known at this time; default: now"
    )
    limit: RowLimit = 1000
    cursor: CursorText = None
    format: TextFormat = None


@router.get(
    "/v1/pollutants",
    summary="List pollutants by interval",
    response_model=list[PollutantMean],
    responses=_ROWS.documented(
        "Rows by time, facility, source and pollutant, with what each mean was formed from. Means"
        " are formed when their hour is over and the lateness of its source has passed. JSON or,"
        " with `Accept: text/csv`, CSV.",
        NotFound,
        TooManyRows,
    ),
)
async def get_pollutants(
    context: InContext,
    who: Reader,
    query: Annotated[PollutantsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List means at reference conditions and masses of the pollutants of stacks."""
    now = context.clock.now()
    begins, ends = query.bounds(now)
    after = _PAGES.after(query)
    facilities = await visible_facilities(context, who, query.facility)
    slugs = [facility.slug for facility in facilities]
    interval = None if query.interval is None else parse(query.interval)
    asked = Bucket(begins=begins, ends=ends)

    def ask(connection: psycopg.Connection[Any]) -> Sequence[MeanRow]:
        of_stacks = stacks(connection, slugs, query.source, query.as_of)
        refuse_unknown(connection, of_stacks, query.source, query.pollutant)
        if interval is None:
            return formed_means(
                connection,
                of_stacks,
                query.pollutant,
                asked,
                as_of=query.as_of,
                after=after,
                limit=query.limit + 1,
            )
        rows = _by_interval(connection, of_stacks, query, interval, asked, now)
        return [row for row in rows if after is None or row.place > after]

    rows = await context.database.read_in_thread(ask)
    listed = _PAGES.page(rows, query, to=rfc3339(ends))
    return rows_answer(
        [_row(row) for row in listed.rows],
        _ROWS,
        accept=accept,
        name=query.format,
        headers={**listed.headers, **retired_header(facilities, query.facility)},
    )


def _by_interval(
    connection: psycopg.Connection[Any],
    of_stacks: Sequence[StackPollutants],
    query: PollutantsQuery,
    interval: IntervalLength,
    asked: Bucket,
    now: datetime,
) -> list[MeanRow]:
    """Read the rows of all facilities, each cut by its own time zone."""
    until = min(asked.ends, now)
    # of one pollutant; there may be several
    refuse_beyond(
        count_about(interval, asked.begins, until) * max(1, len(of_stacks)),
        "use a coarser interval, a shorter time span or fewer sources",
    )
    rows: list[MeanRow] = []
    for facility in sorted({stack.facility for stack in of_stacks}):
        of_facility = [stack for stack in of_stacks if stack.facility == facility]
        buckets = cut(
            interval,
            asked.begins,
            until,
            timezone=of_facility[0].zone.key,
            limit=MAX_ROWS,
        )
        rows += bucket_means(connection, of_facility, query.pollutant, buckets, as_of=query.as_of)
    for row in rows:
        # a mean cannot be divided between two intervals
        if interval.minutes % row.longest:
            raise InvalidRequest(
                f"interval: {row.pollutant} of {row.source} is averaged over {row.longest} minutes;"
                " use a multiple of that, or none"
            )
    return sorted(rows, key=lambda row: row.place)


def refuse_unknown(
    connection: psycopg.Connection[Any],
    of_stacks: Sequence[StackPollutants],
    sources: Collection[str],
    pollutants: Collection[str],
) -> None:
    """Refuse to answer of stacks and pollutants that are not there, and name those that are."""
    unknown = not_here(set(sources) - {stack.source for stack in of_stacks})
    if unknown:
        raise NotFound(f"There is no stack {min(unknown)} with pollutants in the facility file.")
    configured = sorted({pollutant.id for stack in of_stacks for pollutant in stack.pollutants})
    nowhere = sorted(
        not_here(set(pollutants) - set(configured) - with_means(connection, of_stacks, pollutants))
    )
    if nowhere:
        named = f"there are {', '.join(configured)}" if configured else "no stack has pollutants"
        raise NotFound(f"There is no pollutant {nowhere[0]} in the facility file: {named}.")


def _row(row: MeanRow) -> dict[str, Any]:
    inputs = row.inputs or {}
    operated = row.operating_ms > 0
    return _ROWS.row(
        row,
        time=row.begins,
        kg=None if row.mass_ug is None else kg(row.mass_ug),
        coverage=round(row.covered_ms / row.operating_ms, 6) if operated else None,
        kg_coverage=round(row.with_mass_ms / row.operating_ms, 6) if operated else None,
        operating_h=row.operating_ms / HOUR_MS,
        concentration=inputs.get(CONCENTRATION),
        concentration_unit=row.unit,
        oxygen_percent=inputs.get(OXYGEN),
        moisture_percent=inputs.get(MOISTURE),
        flow_nm3_h=inputs.get(FLOW),
        cause=row.why,
    )
