"""What reports of a calendar year ask for, and when they have changed."""

from __future__ import annotations

from datetime import datetime

from fastapi import Request
from pydantic import Field

from services.api.auth import Principal
from services.api.context import Context
from services.api.http.formats import TextFormat
from services.api.http.parameters import FacilityList, Instant, Query
from services.api.routes.answer_validators import year_validator
from services.api.routes.asked import Asked, asked


class YearQuery(Query):
    """Parameters of a report."""

    facility: FacilityList = Field([])
    year: int | None = Field(
        None,
        ge=1970,
        le=2199,
        description="calendar year by the time that the report is cut by; default: this year",
    )
    as_of: Instant | None = Field(
        None, description="returns what would have been reported at this time; default: now"
    )
    format: TextFormat = None


async def asked_of_year(
    context: Context,
    request: Request,
    who: Principal,
    query: YearQuery,
    now: datetime,
    as_of: datetime | None,
) -> Asked:
    """Read the facilities that a report is of, and what it follows from."""
    return await asked(
        context,
        who,
        query.facility,
        as_of,
        lambda connection, facilities: year_validator(
            connection, request, facilities, query.year, now
        ),
    )
