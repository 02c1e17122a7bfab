"""``/v1/annotations``: events to mark in a chart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BeforeValidator, Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Reader, visible_facilities
from services.api.context import Context, InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages
from services.api.http.parameters import FacilityList, TimeSpan, split_list
from services.api.http.problems import Archived, NotFound
from services.api.http.shapes import Shape
from services.api.languages.reader import translate
from services.api.models.alerts import Annotation
from services.core.store.answers.chart_annotations import SourceGap, chart_annotations
from services.core.store.answers.data_gaps import LEAST_GAP
from services.core.store.answers.facility_queries import FacilityRow
from services.core.timeline.instants import MINUTE, rfc3339

router = APIRouter(tags=["alerts"])

_ROWS = Shape(Annotation)

Kind = Literal["alert", "maintenance", "calibration", "gap", "register", "factor", "facility"]


class _Place(NamedTuple):
    """How many come before, as a computed list has no ids."""

    number: int


_PAGES: Pages[tuple[int, dict[str, Any]], _Place] = Pages(
    "/v1/annotations", Cursor(_Place), lambda numbered: _Place(numbered[0])
)


class AnnotationsQuery(TimeSpan):
    """Parameters of ``GET /v1/annotations``."""

    facility: FacilityList = Field([])
    kind: Annotated[list[Kind], BeforeValidator(split_list)] = Field(
        [],
        description="alert, maintenance, calibration, gap, register, factor, facility (its"
        " retirement); none: all",
    )
    limit: int = Field(
        1000,
        ge=1,
        le=10_000,
        description="maximum number of rows; the `Link` header leads to the next page",
    )
    cursor: CursorText = None
    format: TextFormat = None


@router.get(
    "/v1/annotations",
    summary="List chart annotations",
    response_model=list[Annotation],
    responses=_ROWS.documented(
        "Rows by time. What lasts (alerts, maintenance, gaps, retirements) is in every span that it"
        " shares time with, and begins where it began. Gaps are told from five minutes on in spans"
        " of up to a week, by whole hours in longer ones. JSON or, with `Accept: text/csv`, CSV,"
        " where `tags` are one text with commas.",
        NotFound,
        Archived,
    ),
)
async def get_annotations(
    context: InContext,
    who: Reader,
    query: Annotated[AnnotationsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List alerts, maintenance, calibrations, gaps, register resets, changed factors, retirements.

    Rows have the form of Grafana annotations; ``timeEnd`` is null for an instant and for an event
    that has not ended.
    """
    facilities = await visible_facilities(context, who, query.facility)
    after = _PAGES.after(query)
    skip = 0 if after is None else after.number
    now = context.clock.now()
    begins, ends = query.bounds(now)
    shows_gaps = not query.kind or "gap" in query.kind
    open_gaps = await _open_gaps(context, facilities, now) if shows_gaps else []
    async with context.database.read() as connection:
        rows = await chart_annotations(
            connection,
            [facility.id for facility in facilities],
            begins=begins,
            ends=ends,
            kinds=query.kind,
            open_gaps=open_gaps,
            limit=query.limit + 1,
            skip=skip,
        )
    bounds = {"from": rfc3339(begins), "to": rfc3339(ends)}
    listed = _PAGES.page(list(enumerate(rows, skip + 1)), query, **bounds)
    # a text takes milliseconds, in which others are to be answered
    translated = await run_in_threadpool(
        lambda: [
            {**row, "title": translate(row["title"]), "text": translate(row["text"])}
            for _, row in listed.rows
        ]
    )
    return rows_answer(
        translated,
        _ROWS,
        accept=accept,
        name=query.format,
        headers=listed.headers,
    )


async def _open_gaps(
    context: Context, facilities: Sequence[FacilityRow], now: datetime
) -> list[SourceGap]:
    """Return the sources of which nothing is known up to now, by what live totals say of them."""
    slugs = [facility.slug for facility in facilities]
    bodies = await context.live.of_all(context.database, slugs, now)
    return [
        SourceGap(facility=facility, source=source, begins=newest + MINUTE)
        for facility, live in zip(slugs, bodies, strict=True)
        # a retired one is followed by nobody
        if live is not None
        for source, newest in live.summary.silent.items()
        if now - (newest + MINUTE) >= LEAST_GAP
    ]
