"""``/v1/reports/china-month``: a month's evidence of a generator in China, as files."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.parameters import FacilityId, Query
from services.api.http.problems import NotFound, documented
from services.core.accounting.china_month.package import package
from services.core.store.answers.china_month import china_month
from services.core.store.audit.record import record

router = APIRouter(tags=["reports"])

_ZIP: Final = "application/zip"
_ARCHIVE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A ZIP archive: `activity.csv` (the parameters of the MEE's guideline for"
        " generating facilities, by source, with coverage and what was substituted),"
        " `factors.csv`, `evidence.csv` and `manifest.json` with what is missing and the SHA-256"
        " of each file. Headings are in Chinese and English.",
        "content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ChinaMonthQuery(Query):
    """Parameters of ``GET /v1/reports/china-month``."""

    facility: FacilityId
    month: str = Field(
        pattern="^(19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9])-(0[1-9]|1[0-2])$",
        description="month of Beijing time",
        examples=["2026-11"],
    )


@router.get(
    "/v1/reports/china-month",
    summary="Fetch a month's evidence for China",
    response_class=Response,
    responses=_ARCHIVE | documented(NotFound),
)
async def get_china_month(
    context: InContext, who: Reader, query: Annotated[ChinaMonthQuery, FromQuery()]
) -> Response:
    """Fetch activity data, factors and evidence of a month."""
    facilities = await visible_facilities(context, who, [query.facility])
    now = context.clock.now()
    year, month = map(int, query.month.split("-"))
    known = await context.database.read_in_thread(
        lambda connection: china_month(connection, query.facility, year, month, now)
    )
    await context.database.write(
        lambda connection: record(
            connection,
            "report.export",
            by=who.name,
            facility=query.facility,
            subject="china-month",
            after={"month": query.month},
        ),
        address=who.address,
    )
    return Response(
        package(known),
        media_type=_ZIP,
        headers={
            "Content-Disposition": f'attachment; filename="{query.facility}-{query.month}.zip"',
            **retired_header(facilities, [query.facility]),
        },
    )
