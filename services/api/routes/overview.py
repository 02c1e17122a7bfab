"""``/v1/overview``: every facility at a glance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.calls import Call
from services.api.http.parameters import FacilitiesQuery
from services.api.http.problems import NotFound
from services.api.http.shapes import Row, Shape
from services.api.live.overview import overview_row
from services.api.models.overview import Overview
from services.core.accounting.methods import MassName

router = APIRouter(route_class=Call, tags=["live"])

_ROWS = Shape(Overview)


class OverviewQuery(FacilitiesQuery):
    """Parameters of ``GET /v1/overview``."""

    figure: MassName = Field("co2", description="mass; market: market-based CO2")


@router.get(
    "/v1/overview",
    summary="List facilities at a glance",
    response_model=list[Overview],
    responses=_ROWS.documented(
        "A row for each facility in force, by id: what `GET /v1/live` says of it, in short. JSON"
        " or, with `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_overview(
    context: InContext,
    who: Reader,
    query: Annotated[OverviewQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List rate, totals to date, coverage and alerts of facilities."""
    rows: list[Row] = []
    facilities = await visible_facilities(context, who, query.facility)
    now = context.clock.now()
    bodies = await context.live.of_all(context.database, [f.slug for f in facilities], now)
    for facility, live in zip(facilities, bodies, strict=True):
        # it may be retired, now or by somebody meanwhile
        if live is None:
            continue
        rows.append(
            {
                "time": now,
                "facility": facility.slug,
                "name": facility.name,
                "timezone": facility.timezone,
                "figure": query.figure,
                **overview_row(live.summary, query.figure),
                "latitude": facility.latitude,
                "longitude": facility.longitude,
            }
        )
    return rows_answer(rows, _ROWS, accept=accept, name=query.format)
