"""``/v1/factors/shares``: how much of a total counted by values by the hour, and by what else."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.parameters import FacilityList, Instant, SourceList, TimeSpan
from services.api.http.problems import InvalidRequest, NotFound, TooManyRows
from services.api.http.shapes import Shape
from services.api.models.factor_shares import FactorShare
from services.api.routes.asked import Asked, moment
from services.core.store.answers.factor_shares import factor_shares
from services.core.store.computation.hours_then import TooManyOpenHoursError
from services.core.timeline.instants import HOUR

router = APIRouter(tags=["factors"])

_ROWS = Shape(FactorShare)

#: Longer than any history of values by the hour.
_MAX_HOURS = 300_000


class SharesQuery(TimeSpan):
    """Parameters of ``GET /v1/factors/shares``."""

    facility: FacilityList = Field([])
    source: SourceList = Field([])
    as_of: Instant | None = Field(
        None,
        description="answers with hours and values as they were known at this time; default: now",
    )
    format: TextFormat = None


@router.get(
    "/v1/factors/shares",
    summary="Tell what hours counted by",
    response_model=list[FactorShare],
    responses=_ROWS.documented(
        "Rows by facility, source and what was used. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_factor_shares(
    context: InContext,
    who: Reader,
    query: Annotated[SharesQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """Tell which share of a source's activity counted by the hour's value, a mean, another factor.

    Of sources whose factor is a series, by the hours that begin in the interval.
    """
    now, as_of = moment(context, query.as_of)
    begins, ends = query.bounds(now)
    if (ends - begins) / HOUR > _MAX_HOURS:
        raise TooManyRows(f"More than {_MAX_HOURS} hours; ask for a shorter time span.")
    facilities = await visible_facilities(context, who, query.facility)
    try:
        shares = await context.database.read_in_thread(
            lambda connection: factor_shares(
                connection,
                facilities,
                query.source or None,
                begins,
                ends,
                now=now,
                is_past=as_of is not None,
            )
        )
    except TooManyOpenHoursError as error:
        raise InvalidRequest(f"as_of: {error}") from None
    return rows_answer(
        [_ROWS.row(share) for share in shares],
        _ROWS,
        accept=accept,
        name=query.format,
        headers=Asked(facilities=facilities, named=query.facility).headers,
    )
