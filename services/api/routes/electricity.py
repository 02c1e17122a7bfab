"""``/v1/electricity``: scope 2 by the hour, location-based and market-based."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from services.api.auth import Reader, retired_header, visible_facilities
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
from services.api.http.pages import MAX_ROWS
from services.api.http.parameters import FacilityList, Instant, TimeSpan
from services.api.http.problems import NotFound, TooManyRows
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.models.electricity import ContractUse, ElectricityUse, StorageFlow
from services.api.models.electricity_rows import (
    Part,
    contract_columns,
    storage_columns,
    use_columns,
)
from services.api.routes.answer_validators import emissions_validator
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

    shape: Shape
    #: of a facility, in its intervals, up to an instant
    columns: Callable[[FacilityRow, MatchedElectricity, Buckets, datetime], Part]
    #: rows of one interval of a facility
    count: Callable[[Electricity], int]


_USES_LIST = _List(shape=_USES, columns=use_columns, count=lambda _: 1)
_CONTRACTS_LIST = _List(
    shape=_CONTRACTS, columns=contract_columns, count=lambda e: len(e.contracts)
)
_STORAGE_LIST = _List(shape=_STORAGE, columns=storage_columns, count=lambda e: len(e.storage))


def _checked(interval: str) -> str:
    if interval != "auto" and not parse(interval).of_hours:
        raise ValueError(f"`{interval}`: electricity is matched by the hour; use 1h, 1d, 1mo or 1y")
    return interval


class ElectricityQuery(TimeSpan):
    """Parameters of the calls."""

    facility: FacilityList = Field([])
    interval: Annotated[str, AfterValidator(_checked)] = Field(
        "auto",
        description="length of an interval: hours that divide a day, days, weeks, months or a year"
        " (`1h`, `6h`, `1d`, `1w`, `1mo`, `1y`), which start by the facility's time zone; `auto`:"
        " the finest of 1h, 1d, 1mo that gives at most `max_points` rows for each facility",
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
            return parse(self.interval)
        chosen = finest(begins, ends, limit=self.max_points)
        return HOURLY if chosen.in_hour else chosen


@router.get(
    "/v1/electricity",
    summary="List how electricity is supplied",
    response_model=list[ElectricityUse],
    responses=_USES.documented(
        "A row for each facility and interval: the load, what contracts supply of it by the"
        f" facility's rule of matching, and CO2 both location-based and market-based. {_ALL}",
        NotFound,
        TooManyRows,
    )
    | NOT_MODIFIED,
)
async def get_electricity(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[ElectricityQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List loads with what is matched of them."""
    return await _answer(_USES_LIST, request, context, who, query, accept, if_none_match)


@router.get(
    "/v1/electricity/contracts",
    summary="List what contracts supply",
    response_model=list[ContractUse],
    responses=_CONTRACTS.documented(
        f"A row for each contract and interval: what it has, and what the load uses of it. {_ALL}",
        NotFound,
        TooManyRows,
    )
    | NOT_MODIFIED,
)
async def get_contracts(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[ElectricityQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List contracts with what is used of them."""
    return await _answer(_CONTRACTS_LIST, request, context, who, query, accept, if_none_match)


@router.get(
    "/v1/electricity/storage",
    summary="List what storages take and give back",
    response_model=list[StorageFlow],
    responses=_STORAGE.documented(
        "A row for each storage and interval: what was charged and discharged, and what its"
        f" charging emitted. {_ALL}",
        NotFound,
        TooManyRows,
    )
    | NOT_MODIFIED,
)
async def get_storage(
    request: Request,
    context: InContext,
    who: Reader,
    query: Annotated[ElectricityQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """List storages with what their charging emitted."""
    return await _answer(_STORAGE_LIST, request, context, who, query, accept, if_none_match)


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
    now = context.clock.now()
    if query.as_of is not None:
        now = min(now, query.as_of)
    begins, ends = query.bounds(now)
    # what lies ahead of the clock is no gap
    until = min(ends, now)
    interval = query.length(begins, ends)
    facilities = await visible_facilities(context, who, query.facility)
    validator = None
    if query.as_of is None:
        async with context.database.read() as connection:
            validator = await emissions_validator(
                connection,
                request,
                facilities,
                begins,
                ends,
                # a rule may match a whole year
                longest=2 * interval.mean + 2 * _YEAR,
                now=now,
            )
    stated = await stated_electricity(context, facilities, query.as_of)
    if any(electricity.factors for _, electricity in stated):
        # the state of totals tells nothing of values by the hour that contracts alone use
        validator = None
    if validator is not None and validator.holds(if_none_match):
        return validator.not_modified()
    count = sum(listing.count(e) for _, e in stated) * count_about(interval, begins, until)
    if count > MAX_ROWS:
        raise TooManyRows(
            f"The answer would have about {count} rows, more than {MAX_ROWS}; use a coarser"
            " interval (or `auto`), a shorter time span or fewer facilities."
        )
    parts: list[tuple[FacilityRow, Part]] = []
    async with context.database.read() as connection:
        for facility, electricity in stated:
            buckets = cut(interval, begins, until, timezone=facility.timezone, limit=MAX_ROWS)
            if not buckets:
                continue
            asked = FacilityElectricity(facility=facility, stated=electricity, buckets=buckets)
            hours = await read_matched(context, connection, asked, now=now, as_of=query.as_of)
            parts.append((facility, listing.columns(facility, hours, buckets, now)))
    return table_answer(
        _in_order(listing.shape, parts),
        listing.shape,
        accept=accept,
        name=query.format,
        headers={
            **retired_header(facilities, query.facility),
            **(validator.headers if validator else {}),
        },
    )


def _in_order(shape: Shape, parts: Sequence[tuple[FacilityRow, Part]]) -> Table:
    """Put rows by time, facility, and what they are of."""
    parts = [(row, part) for row, part in parts if part.subjects]
    if not parts:
        return shape.table_of([])
    names = [(row.slug, subject) for row, part in parts for subject in part.subjects]
    rank_of = {name: rank for rank, name in enumerate(sorted(names))}
    rank = np.concatenate(
        [
            np.array([rank_of[row.slug, s] for s in part.subjects], dtype=np.int64)[part.subject]
            for row, part in parts
        ]
    )
    time_us = np.concatenate([part.time_us for _, part in parts])
    table = Table.joined([shape.table(part.columns) for _, part in parts])
    return table.part(np.lexsort((rank, time_us)))
