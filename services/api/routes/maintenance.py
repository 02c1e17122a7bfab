"""``/v1/maintenance``: when alerts are evaluated, but nobody is notified."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, Writer, one_facility, visible_facilities
from services.api.context import InContext
from services.api.http import entries
from services.api.http.answers import json_answer
from services.api.http.entries import Entry, EntryId
from services.api.http.parameters import End, FacilitiesQuery, FacilityQuery, Instant
from services.api.http.problems import Conflict, NotFound, documented
from services.api.models.alerts import Changed, MaintenanceRow
from services.core.facility.thresholds import Maintenance
from services.core.store.alerts import queries, threshold_changes

router = APIRouter(tags=["alerts"])

_ENTRY = Entry(Maintenance, MaintenanceRow)


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
    responses=documented(NotFound),
)
async def get_maintenance(
    context: InContext, who: Reader, query: Annotated[MaintenanceQuery, FromQuery()]
) -> Response:
    """List the time spans in which alerts are evaluated and stored, but nobody is notified."""
    facilities = await visible_facilities(context, who, query.facility)
    async with context.database.read() as connection:
        rows = await queries.maintenance(
            connection, [facility.id for facility in facilities], begins=query.from_, ends=query.to
        )
    return json_answer(rows)


@router.put(
    "/v1/maintenance/{maintenance}",
    summary="Create or change maintenance",
    response_model=Changed,
    responses=documented(NotFound, Conflict),
    openapi_extra=_ENTRY.documented(),
)
async def put_maintenance(
    context: InContext,
    who: Writer,
    request: Request,
    maintenance: EntryId,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """Create or change maintenance. Alerts that still fire at its end are notified then."""
    body, named = await entries.read(request, query.facility)
    facility = await one_facility(context, who, named)
    stated = _ENTRY.stated(body, maintenance)
    changes = await context.database.write(
        lambda c: threshold_changes.put_maintenance(c, facility, stated, by=who.name)
    )
    return json_answer({"changes": changes})


@router.delete(
    "/v1/maintenance/{maintenance}",
    summary="Delete maintenance",
    response_model=Changed,
    responses=documented(NotFound, Conflict),
)
async def delete_maintenance(
    context: InContext,
    who: Writer,
    maintenance: EntryId,
    query: Annotated[FacilityQuery, FromQuery()],
) -> Response:
    """Delete maintenance, which ends it at once."""
    facility = await one_facility(context, who, query.facility)
    if not await context.database.write(
        lambda c: threshold_changes.delete_maintenance(c, facility, maintenance)
    ):
        raise NotFound(
            f"There is no maintenance {maintenance}; GET /v1/maintenance lists maintenance."
        )
    return json_answer({"changes": [f"- maintenance {maintenance}"]})
