"""``/v1/organisations``: organisations in force, and which facilities belong to them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.parameters import Instant, Query
from services.api.http.shapes import Shape
from services.api.models.organisations import OrganisationRow
from services.api.routes.asked import moment
from services.core.store.registry.organisations import stated_organisations

router = APIRouter(tags=["pathway"])

_ROWS = Shape(OrganisationRow)


class OrganisationsQuery(Query):
    """Parameters of ``GET /v1/organisations``."""

    as_of: Instant | None = Field(None, description="those in force at this time; default: now")
    format: TextFormat = None


@router.get(
    "/v1/organisations",
    summary="List organisations",
    response_model=list[OrganisationRow],
    responses=_ROWS.documented(
        "Organisations in force, of which the key sees all facilities. JSON or, with `Accept:"
        " text/csv`, CSV."
    ),
)
async def get_organisations(
    context: InContext,
    who: Reader,
    query: Annotated[OrganisationsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List organisations, whose files `tonne apply` takes."""
    now, as_of = moment(context, query.as_of)
    stated = await context.database.read_in_thread(lambda c: stated_organisations(c, None, as_of))
    today = now.date()
    rows = [
        {
            "id": one.file.organisation.id,
            "name": one.file.organisation.name,
            "since": one.since,
            "facilities": " ".join(m.id for m in one.file.facilities if m.belongs(today)),
            "left": " ".join(m.id for m in one.file.facilities if m.has_left(today)),
            "joining": " ".join(
                m.id for m in one.file.facilities if not m.belongs(today) and not m.has_left(today)
            ),
            "scopes": " ".join(str(path.scope) for path in one.file.pathway),
        }
        for one in stated
        if all(who.sees(member.id) for member in one.file.facilities)
    ]
    return rows_answer(rows, _ROWS, accept=accept, name=query.format)
