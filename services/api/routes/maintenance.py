"""``/v1/maintenance``: when alerts are evaluated, but nobody is notified."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Operator, Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.entries import Entry, EntryId
from services.api.http.parameters import End, FacilitiesQuery, FacilityQuery, Instant
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.models.alerts import MaintenanceRow
from services.api.routes.entry_calls import EntryCalls
from services.core.facility.thresholds import Maintenance
from services.core.store.alerts import queries, threshold_changes

router = APIRouter(tags=["alerts"])

_ROWS = Shape(MaintenanceRow)

_CALLS = EntryCalls(
    "maintenance",
    "maintenance",
    "/v1/maintenance",
    Entry(Maintenance, MaintenanceRow),
    put=lambda connection, facility, stated, by: threshold_changes.put_maintenance(
        connection, facility, stated, by=by
    ),
    delete=lambda connection, facility, slug, by: threshold_changes.delete_maintenance(
        connection, facility, slug, by=by
    ),
)
_put, _delete = _CALLS.declared(router)


class MaintenanceQuery(FacilitiesQuery):
    """Parameters of ``GET /v1/maintenance``."""

    from_: Instant | None = Field(
        None, alias="from", description="maintenance that ends after this time"
    )
    to: End | None = Field(None, description="maintenance that begins before this time")


@router.get(
    "/v1/maintenance",
    summary="List maintenance",
    response_model=list[MaintenanceRow],
    responses=_ROWS.documented(
        "Rows by their beginning. JSON or, with `Accept: text/csv`, CSV.", NotFound
    ),
)
async def get_maintenance(
    context: InContext,
    who: Reader,
    query: Annotated[MaintenanceQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List the time spans in which alerts are evaluated and stored, but nobody is notified."""
    facilities = await visible_facilities(context, who, query.facility)
    async with context.database.read() as connection:
        rows = await queries.maintenance(
            connection, [facility.id for facility in facilities], begins=query.from_, ends=query.to
        )
    return rows_answer(rows, _ROWS, accept=accept, name=query.format)


@_put
async def put_maintenance(
    context: InContext,
    who: Operator,
    request: Request,
    maintenance: EntryId,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """Create or change maintenance. Alerts that still fire at its end are notified then."""
    return await _CALLS.put(context, who, request, maintenance, query)


@_delete
async def delete_maintenance(
    context: InContext,
    who: Operator,
    maintenance: EntryId,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """Delete maintenance, which ends it at once."""
    return await _CALLS.delete(context, who, maintenance, query)
