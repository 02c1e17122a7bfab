"""``/v1/removals``: what was removed, and which credits were retired."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.parameters import FacilityList, Instant, TimeSpan
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.models.removals import RemovalEntry
from services.api.routes.asked import moment
from services.api.routes.removal_entries import removal_entries, whole_hours
from services.core.timeline.instants import DAY

router = APIRouter(tags=["removals"])

_ROWS = Shape(RemovalEntry)
_YEAR = 365 * DAY


class RemovalsQuery(TimeSpan):
    """Parameters of ``GET /v1/removals``."""

    from_: Instant | None = Field(
        None,
        alias="from",
        description="start, inclusive; default: 365 days before `to`. Whole hours are told: those"
        " that the span shares time with",
        examples=["2026-01-01T00:00:00Z"],
    )
    facility: FacilityList = Field([])
    as_of: Instant | None = Field(
        None, description="returns what was known at this time; default: now"
    )
    format: TextFormat = None


@router.get(
    "/v1/removals",
    summary="List removals and credits",
    response_model=list[RemovalEntry],
    responses=_ROWS.documented(
        "A row for each source that removes, each removal that a facility file states for a part of"
        " the span, and each retirement of credits in it. Nothing of them is deducted from"
        " emissions: `GET /v1/emissions` and `GET /v1/live` are gross. JSON or, with `Accept:"
        " text/csv`, CSV.",
        NotFound,
    ),
)
async def get_removals(
    context: InContext,
    who: Reader,
    query: Annotated[RemovalsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List what stands beside emissions."""
    facilities = await visible_facilities(context, who, query.facility)
    now, as_of = moment(context, query.as_of)
    asked = query.model_copy(update={"from_": query.from_ or (query.to or now) - _YEAR})
    begins, ends = whole_hours(*asked.bounds(now))
    async with context.database.read() as connection:
        rows = await removal_entries(
            context, connection, facilities, begins, ends, now, as_of=as_of
        )
    return rows_answer(
        rows,
        _ROWS,
        accept=accept,
        name=query.format,
        headers=retired_header(facilities, query.facility),
    )
