"""``/v1/facilities/{facility}/factors``: what a facility counts with, for how long, and by whom."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response

from services.api.auth import Reader, in_force
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.parameters import Query
from services.api.http.problems import FacilityRetired, NotFound
from services.api.http.shapes import Shape
from services.api.models.facility_factors import FacilityFactorRow
from services.core.store.answers.facility_factors import facility_factors

router = APIRouter(tags=["factors"])

_ROWS = Shape(FacilityFactorRow)


class FacilityFactorsQuery(Query):
    """Parameters of ``GET /v1/facilities/{facility}/factors``."""

    format: TextFormat = None


@router.get(
    "/v1/facilities/{facility}/factors",
    summary="List factors of a facility",
    response_model=list[FacilityFactorRow],
    responses=_ROWS.documented(
        "Rows by factor and first day. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
        FacilityRetired,
    ),
)
async def get_facility_factors(
    context: InContext,
    who: Reader,
    facility: str,
    query: Annotated[FacilityFactorsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List the versions in force of the factors that the facility states or uses."""
    named = await in_force(context, who, facility)
    listed = await context.database.read_in_thread(lambda raw: facility_factors(raw, named.id))
    rows = [
        _ROWS.row(
            row.factor,
            factor=row.factor.id,
            sources=row.sources,
            in_file=row.in_file,
            co2e_kg=None if row.factor.is_series else row.factor.total_co2e_kg(),
        )
        for row in listed
    ]
    return rows_answer(rows, _ROWS, accept=accept, name=query.format)
