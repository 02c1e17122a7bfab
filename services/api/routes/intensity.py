"""``/v1/intensity``: emissions by unit of what is made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Reader
from services.api.context import Context, InContext
from services.api.http.answers import Accept, table_answer
from services.api.http.formats import Format
from services.api.http.gathered import not_here
from services.api.http.intervals import HOURLY, IntervalLength, count_about, cut, parse
from services.api.http.pages import MAX_ROWS, refuse_beyond
from services.api.http.parameters import FacilityList, Instant, SlugList, TimeSpan
from services.api.http.problems import InvalidRequest, NotFound, TooManyRows
from services.api.http.shapes import Row
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.intensity import ProductIntensity
from services.api.routes.answer_validators import emissions_validator
from services.api.routes.asked import asked, moment
from services.api.routes.intensity_batches import BATCHES_SINCE, batch_rows
from services.api.routes.intensity_rows import ROWS, intensity_row
from services.api.routes.product_sums import product_sums
from services.core.facility.model import Product
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.registry.products import products

router = APIRouter(tags=["intensity"])


BATCH: Final = "batch"


def _checked(interval: str) -> str:
    if interval != BATCH:
        parse(interval)
    return interval


class IntensityQuery(TimeSpan):
    """Parameters of ``GET /v1/intensity``."""

    facility: FacilityList = Field([])
    product: SlugList = Field([], description="product ids; none: all", examples=[["billets"]])
    interval: Annotated[str, AfterValidator(_checked)] = Field(
        "1d",
        description="length of an interval, as of `GET /v1/emissions`; products are told by whole"
        " hours, so what lies between two whole numbers of hours is the longer: `15m` is an hour;"
        " `batch`: a row for each batch that shares time with the span, by whole minutes",
        examples=["1d"],
    )
    as_of: Instant | None = Field(
        None,
        description="answers with what was known at this time, products and shares too; default:"
        " now",
    )
    format: Format = None


@router.get(
    "/v1/intensity",
    summary="List emissions by unit of production",
    response_model=list[ProductIntensity],
    responses=ROWS.documented(
        "Rows by time, facility and product, of facilities whose file names `products`. A figure by"
        " unit is one division of two exact sums, never a mean of shorter intervals'. Where nothing"
        " was made, or something is not known at all, there is none, and `code` tells why.",
        NotFound,
        TooManyRows,
    )
    | NOT_MODIFIED,
)
async def get_intensity(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[IntensityQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List what is emitted by unit of products, as JSON, CSV, Arrow or Parquet."""
    now, as_of = moment(context, query.as_of)
    begins, ends = query.bounds(now)
    interval = None
    if query.interval != BATCH:
        interval = parse(query.interval, resolution=HOURLY.minutes)
    if interval is None and as_of is not None:
        raise InvalidRequest("as_of: only hours are versioned; use an interval of whole hours")
    # a batch may run on
    longest = BATCHES_SINCE if interval is None else 2 * interval.mean
    of_call = await asked(
        context,
        who,
        query.facility,
        as_of,
        lambda connection, facilities: emissions_validator(
            connection, request, facilities, begins, ends, longest=longest, now=now
        ),
    )
    if unchanged := of_call.not_modified(if_none_match):
        return unchanged
    ids = [facility.id for facility in of_call.facilities]
    named = await context.database.read_in_thread(lambda c: products(c, ids, as_of))
    chosen = {
        facility_id: [p for p in of_facility if not query.product or p.id in query.product]
        for facility_id, of_facility in named.items()
    }
    unknown = not_here(
        set(query.product) - {p.id for of_facility in chosen.values() for p in of_facility}
    )
    if unknown:
        raise NotFound(f"There is no product {min(unknown)}; facility files name products.")
    until = min(ends, now)
    refuse_beyond(
        sum(map(len, chosen.values())) * count_about(interval or HOURLY, begins, until),
        "use a coarser interval, a shorter time span or fewer products",
    )
    rows: list[Row] = []
    for facility in of_call.facilities:
        if chosen.get(facility.id):
            rows += (
                await batch_rows(context, facility, chosen[facility.id], (begins, until), now)
                if interval is None
                else await _rows(
                    context, facility, chosen[facility.id], interval, (begins, until), now, as_of
                )
            )
    rows.sort(key=lambda row: (row["time"], row["facility"], row["product"]))
    return table_answer(
        ROWS.table_of(rows),
        ROWS,
        accept=accept,
        name=query.format,
        headers=of_call.headers,
    )


async def _rows(
    context: Context,
    facility: FacilityRow,
    of_facility: Sequence[Product],
    interval: IntervalLength,
    between: tuple[datetime, datetime],
    now: datetime,
    as_of: datetime | None,
) -> list[Row]:
    """Read and add up the intervals of a facility's products."""
    intervals = cut(interval, *between, timezone=facility.timezone, limit=MAX_ROWS)
    sums = await product_sums(
        context, facility, of_facility, intervals, interval, now=now, as_of=as_of
    )
    if sums is None:
        return []
    # a year of hours takes a second of Python: others are served meanwhile
    return await run_in_threadpool(
        lambda: [
            intensity_row(facility, product, bucket, sums.sum_of(product, bucket))
            for bucket in intervals
            for product in of_facility
        ]
    )
