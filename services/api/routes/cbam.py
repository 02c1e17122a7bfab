"""``/v1/reports/cbam``: quarters and years of production processes, for the EU's mechanism."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response

from services.api.auth import Reader
from services.api.context import Context, InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.intervals import IntervalLength, cut
from services.api.http.problems import NotFound
from services.api.http.shapes import Row
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.cbam import CbamPeriod
from services.api.routes.asked import moment
from services.api.routes.cbam_rows import ROWS, cbam_row
from services.api.routes.product_sums import product_sums
from services.api.routes.reported_year import YearQuery, asked_of_year
from services.core.facility.model import Product
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.emissions.base_years import local_year
from services.core.store.registry.products import products

router = APIRouter(tags=["reports"])

_QUARTER: Final = IntervalLength(0, 3)
_QUARTERS: Final = 4


@router.get(
    "/v1/reports/cbam",
    summary="List what CBAM goods carry with them",
    response_model=list[CbamPeriod],
    responses=ROWS.documented(
        "One row for each quarter that has begun and one for the year, for each product with `cbam`"
        " in its facility file: direct and indirect emissions attributed to its process, those"
        " embedded in precursors, and the specific embedded emissions by unit (Regulation (EU)"
        " 2023/956, Annex IV). Quarters are cut by local time. JSON or, with `Accept: text/csv`,"
        " CSV.",
        NotFound,
    )
    | NOT_MODIFIED,
)
async def get_cbam_report(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[YearQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List embedded emissions of goods by quarter and year."""
    now, as_of = moment(context, query.as_of)
    of_call = await asked_of_year(context, request, who, query, now, as_of)
    if unchanged := of_call.not_modified(if_none_match):
        return unchanged
    ids = [facility.id for facility in of_call.facilities]
    named = await context.database.read_in_thread(lambda c: products(c, ids, as_of))
    rows: list[Row] = []
    for facility in of_call.facilities:
        goods = [product for product in named.get(facility.id, ()) if product.cbam is not None]
        rows += await _rows(context, facility, goods, query.year, now, as_of)
    return rows_answer(
        rows,
        ROWS,
        accept=accept,
        name=query.format,
        headers=of_call.headers,
    )


async def _rows(
    context: Context,
    facility: FacilityRow,
    goods: list[Product],
    year: int | None,
    now: datetime,
    as_of: datetime | None,
) -> list[Row]:
    """Read the quarters of a facility's goods, and their sum."""
    if year is None:
        year = now.astimezone(ZoneInfo(facility.timezone)).year
    begins, ends = local_year(year, facility.timezone)
    if not goods or begins >= now:
        return []
    quarters = cut(_QUARTER, begins, min(ends, now), timezone=facility.timezone, limit=_QUARTERS)
    sums = await product_sums(context, facility, goods, quarters, _QUARTER, now=now, as_of=as_of)
    if sums is None:
        return []
    periods = [
        *_named(quarters, year),
        (str(year), Bucket(begins=begins, ends=ends)),
    ]
    return [
        cbam_row(facility, product, name, period, sums)
        for product in goods
        for name, period in periods
    ]


def _named(quarters: Iterable[Bucket], year: int) -> list[tuple[str, Bucket]]:
    return [(f"{year}-Q{number}", quarter) for number, quarter in enumerate(quarters, start=1)]
