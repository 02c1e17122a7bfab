"""``/v1/electricity``: scope 2 by the hour, location-based and market-based."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from services.api.auth import Reader
from services.api.context import InContext
from services.api.http.answers import Accept, table_answer
from services.api.http.columns import Table
from services.api.http.formats import Format
from services.api.http.intervals import (
    HOURLY,
    IntervalLength,
    count_about,
    cut,
    finest,
    parse,
)
from services.api.http.pages import MAX_ROWS, refuse_beyond
from services.api.http.parameters import FacilityList, Instant, TimeSpan
from services.api.http.problems import NotFound, TooManyRows
from services.api.http.row_order import page_of_rows
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.answer import Answer
from services.api.models.electricity import ContractUse, ElectricityUse, StorageFlow
from services.api.models.electricity_rows import (
    Part,
    contract_columns,
    storage_columns,
    use_columns,
)
from services.api.routes.answer_validators import emissions_validator
from services.api.routes.asked import asked, moment
from services.api.routes.electricity_reading import (
    FacilityElectricity,
    read_matched,
    stated_electricity,
)
from services.core.facility.electricity import Electricity
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.electricity import MatchedElectricity
from services.core.store.answers.facility_queries import FacilityRow

_YEAR = timedelta(days=366)

router = APIRouter(tags=["electricity"])

_USES = Shape(ElectricityUse, arrow=True)
_CONTRACTS = Shape(ContractUse, arrow=True)
_STORAGE = Shape(StorageFlow, arrow=True)

_ALL = (
    "Only facilities whose file states `electricity` have rows. Intervals are whole hours or made"
    " of them: the first begins at or before `from`."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _List:
    """What one of the calls lists."""

    model: type[Answer]
    shape: Shape
    #: of a facility, in its intervals, up to an instant
    columns: Callable[[FacilityRow, MatchedElectricity, Buckets, datetime], Part]
    #: rows of one interval of a facility
    count: Callable[[Electricity], int]


def _checked(interval: str) -> str:
    if interval != "auto":
        parse(interval)
    return interval


class ElectricityQuery(TimeSpan):
    """Parameters of the calls."""

    facility: FacilityList = Field([])
    interval: Annotated[str, AfterValidator(_checked)] = Field(
        "auto",
        description="length of an interval, up to a year (`1h`, `6h`, `36h`, `1d`, `1w`, `1mo`,"
        " `1y`), which starts as of `GET /v1/emissions`; electricity is matched by the hour, so"
        " what lies between two whole numbers of hours is the longer: `15m` is an hour; `auto`: the"
        " finest of 1h, 1d, 1mo that gives at most `max_points` rows for each facility",
        examples=["auto"],
    )
    max_points: int = Field(
        1000, ge=1, le=MAX_ROWS, description="for `auto`: maximum number of rows for each facility"
    )
    as_of: Instant | None = Field(
        None,
        description="answers with hours, contracts and certificates as they were known at this"
        " time; default: now",
    )
    format: Format = None

    def length(self, begins: datetime, ends: datetime) -> IntervalLength:
        """Return the length of an interval, which ``auto`` chooses."""
        if self.interval != "auto":
            return parse(self.interval, resolution=HOURLY.minutes)
        chosen = finest(begins, ends, limit=self.max_points)
        return HOURLY if chosen.in_hour else chosen


def _add_list(path: str, listing: _List, *, summary: str, description: str, text: str) -> None:
    """Route one of the lists, which differ in their rows alone."""

    async def get_rows(
        request: Request,
        context: InContext,
        who: Reader,
        query: Annotated[ElectricityQuery, FromQuery()],
        accept: Accept = "",
        if_none_match: IfNoneMatch = "",
    ) -> Response:
        return await _answer(listing, request, context, who, query, accept, if_none_match)

    router.add_api_route(
        path,
        get_rows,
        methods=["GET"],
        name=f"get_{path.rpartition('/')[2]}",
        summary=summary,
        description=text,
        response_model=list[listing.model],  # type: ignore[name-defined]
        responses=listing.shape.documented(f"{description} {_ALL}", NotFound, TooManyRows)
        | NOT_MODIFIED,
    )


async def _answer(
    listing: _List,
    request: Request,
    context: InContext,
    who: Reader,
    query: ElectricityQuery,
    accept: str,
    if_none_match: str,
) -> Response:
    """Read and match what is asked for, unless the caller has it."""
    now, as_of = moment(context, query.as_of)
    begins, ends = query.bounds(now)
    # what lies ahead of the clock is no gap
    until = min(ends, now)
    interval = query.length(begins, ends)
    of_call = await asked(
        context,
        who,
        query.facility,
        as_of,
        lambda connection, facilities: emissions_validator(
            connection,
            request,
            facilities,
            begins,
            ends,
            # a rule may match a whole year
            longest=2 * interval.mean + 2 * _YEAR,
            now=now,
        ),
    )
    stated = await stated_electricity(context.database, of_call.facilities, as_of)
    if any(electricity.factors for _, electricity in stated):
        # the state of totals tells nothing of values by the hour that contracts alone use
        of_call = replace(of_call, validator=None)
    if unchanged := of_call.not_modified(if_none_match):
        return unchanged
    refuse_beyond(
        sum(listing.count(e) for _, e in stated) * count_about(interval, begins, until),
        "use a coarser interval (or `auto`), a shorter time span or fewer facilities",
    )
    parts: list[tuple[FacilityRow, Part]] = []
    async with context.database.read() as connection:
        for facility, electricity in stated:
            buckets = cut(interval, begins, until, timezone=facility.timezone, limit=MAX_ROWS)
            if not buckets:
                continue
            of_facility = FacilityElectricity(
                facility=facility, stated=electricity, buckets=buckets
            )
            hours = await read_matched(
                context.database, context.accounts, connection, of_facility, now=now, as_of=as_of
            )
            parts.append((facility, listing.columns(facility, hours, buckets, now)))
    return table_answer(
        _in_order(listing.shape, parts),
        listing.shape,
        accept=accept,
        name=query.format,
        headers=of_call.headers,
    )


def _in_order(shape: Shape, parts: Sequence[tuple[FacilityRow, Part]]) -> Table:
    """Put rows by time, facility, and what they are of."""
    parts = [(row, part) for row, part in parts if part.subjects]
    if not parts:
        return shape.table_of([])
    firsts = accumulate((len(part.subjects) for _, part in parts), initial=0)
    order = page_of_rows(
        np.concatenate([part.time_us for _, part in parts]),
        np.concatenate([p.subject + first for (_, p), first in zip(parts, firsts, strict=False)]),
        [(row.slug, subject) for row, part in parts for subject in part.subjects],
    )
    return Table.joined([shape.table(part.columns) for _, part in parts]).part(order.rows)


_add_list(
    "/v1/electricity",
    _List(model=ElectricityUse, shape=_USES, columns=use_columns, count=lambda _: 1),
    summary="List how electricity is supplied",
    description="A row for each facility and interval: the load, what contracts supply of it by the"
    " facility's rule of matching, and CO2 both location-based and market-based.",
    text="List loads with what is matched of them.",
)
_add_list(
    "/v1/electricity/contracts",
    _List(
        model=ContractUse,
        shape=_CONTRACTS,
        columns=contract_columns,
        count=lambda e: len(e.contracts),
    ),
    summary="List what contracts supply",
    description="A row for each contract and interval: what it has, and what the load uses of it.",
    text="List contracts with what is used of them.",
)
_add_list(
    "/v1/electricity/storage",
    _List(
        model=StorageFlow, shape=_STORAGE, columns=storage_columns, count=lambda e: len(e.storage)
    ),
    summary="List what storages take and give back",
    description="A row for each storage and interval: what was charged and discharged, and what its"
    " charging emitted.",
    text="List storages with what their charging emitted.",
)
