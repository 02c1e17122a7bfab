"""``/v1/readings``: the readings of devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import numpy as np
import psycopg
from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.auth import Reader, retired_header, seen_facilities
from services.api.context import Context, InContext
from services.api.http.answers import Accept, table_answer
from services.api.http.calls import Call
from services.api.http.formats import TextFormat
from services.api.http.gathered import not_here
from services.api.http.pages import MAX_ROWS, CursorText, RowLimit
from services.api.http.parameters import FacilityList, SlugList, TimeSpan
from services.api.http.problems import Archived, NotFound, TooManyRows
from services.api.models.readings import ReadingRow
from services.api.routes.reading_rows import PAGES, ROWS, Part, page_of, table
from services.core.store.answers import derived_readings
from services.core.store.answers.derived_readings import DerivedChannel, TooMuchToComputeError
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.readings.chart import (
    ChannelRow,
    ChartReadings,
    channels,
    every_reading,
    readings,
)
from services.core.timeline.instants import from_us, rfc3339

router = APIRouter(route_class=Call, tags=["readings"])

#: Rows of a page of every reading, where the query states none.
_PAGE_ROWS = 10_000


class ReadingsQuery(TimeSpan):
    """Parameters of ``GET /v1/readings``."""

    facility: FacilityList = Field([])
    device: SlugList = Field(
        [], description="device ids, in any selected facility; none: all", examples=[["cems-1"]]
    )
    channel: SlugList = Field([], description="channel ids; none: all", examples=[["co2"]])
    max_points: int = Field(
        1000,
        ge=2,
        le=MAX_ROWS,
        description="maximum number of rows for each channel; where there are more readings, the"
        " lowest and the highest of each of `max_points / 2` equal time spans are returned, and"
        " `thinned` is true",
    )
    raw: bool = Field(
        False,
        description="true: every reading, in pages, `limit` rows each; none of derived channels,"
        " which have no readings of their own",
    )
    limit: RowLimit | None = Field(
        None,
        description=f"with `raw`: rows of a page; default: {_PAGE_ROWS}. The `Link` header leads to"
        " the next page",
    )
    cursor: CursorText = None
    format: TextFormat = None

    @model_validator(mode="after")
    def _one_way(self) -> ReadingsQuery:
        if self.raw and "max_points" in self.model_fields_set:
            raise ValueError("raw=true gives every reading: leave out max_points")
        if not self.raw and (self.limit is not None or self.cursor is not None):
            raise ValueError("limit and cursor are of pages of every reading: add raw=true")
        return self


@router.get(
    "/v1/readings",
    summary="List readings",
    response_model=list[ReadingRow],
    responses=ROWS.documented(
        "Rows by time, facility, device and channel. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
        Archived,
        TooManyRows,
    ),
)
async def get_readings(
    context: InContext,
    who: Reader,
    query: Annotated[ReadingsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List readings in the unit of the channel, its scale, offset and calibration worked in.

    Derived channels are among them, computed for the answer. Devices of different facilities may
    have the same id; `facility` tells them apart.
    """
    begins, ends = query.bounds(context.clock.now())
    after = PAGES.after(query)
    parts: list[Part] = []
    async with context.database.read() as connection:
        facilities = await seen_facilities(connection, context, who, query.facility)
        wanted = [
            (facility.slug, channel)
            for facility in facilities
            for channel in await channels(
                connection, facility.id, devices=query.device, slugs=query.channel
            )
        ]
        derived = []
        if not query.raw:
            derived = await _derived_channels(context, connection, facilities, query, wanted)
        for parameter, named, present in (
            (
                "device",
                query.device,
                {c.device for _, c in wanted} | {c.device for _, c in derived},
            ),
            ("channel", query.channel, {c.slug for _, c in wanted} | {c.slug for _, c in derived}),
        ):
            if missing := not_here(set(named) - present):
                raise NotFound(f"There is no {parameter} {min(missing)} in the selection.")
        if query.raw:
            limit = query.limit or _PAGE_ROWS
            # a cursor comes back from anybody: it leads nowhere outside of what is asked for
            oldest = begins if after is None else min(ends, max(begins, after.time))
            parts = await _every_reading(connection, wanted, oldest, ends, limit)
        else:
            parts = await _charted(connection, wanted, begins, ends, query.max_points)
    headers = retired_header(facilities, query.facility)
    if query.raw:
        resolved = {"from": rfc3339(begins), "to": rfc3339(ends)}
        page, page_headers = page_of(parts, after, limit, query, **resolved)
        return table_answer(
            page, ROWS, accept=accept, name=query.format, headers={**headers, **page_headers}
        )
    if derived:
        await context.database.read_in_thread(
            lambda connection: _compute(connection, derived, query, begins, ends, parts)
        )
    return table_answer(table(parts), ROWS, accept=accept, name=query.format, headers=headers)


async def _charted(
    connection: AsyncConnection,
    wanted: Sequence[tuple[str, ChannelRow]],
    begins: datetime,
    ends: datetime,
    max_points: int,
) -> list[Part]:
    """Read channels for a chart, each of ``max_points`` rows at most."""
    parts = []
    rows = 0
    for slug, channel in wanted:
        read = await readings(connection, channel, begins=begins, ends=ends, max_points=max_points)
        parts.append(_part(slug, channel, read))
        rows += len(read.series)
        _refuse_beyond(rows)
    return parts


async def _every_reading(
    connection: AsyncConnection,
    wanted: Sequence[tuple[str, ChannelRow]],
    begins: datetime,
    ends: datetime,
    limit: int,
) -> list[Part]:
    """Read the oldest readings of channels, enough for a page and to see whether there are more."""
    # one of each channel may be at the place where the page before this one ended
    row_limit = limit + 1 + len(wanted)
    parts: list[Part] = []
    times: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    for slug, channel in wanted:
        read = await every_reading(connection, channel, begins=begins, ends=ends, limit=row_limit)
        parts.append(_part(slug, channel, read))
        times = np.concatenate((times, read.series.ts_us))
        if times.size > row_limit:
            # what is later than these is on a later page, of the channels that follow too
            times = np.partition(times, row_limit - 1)[:row_limit]
            ends = min(ends, from_us(int(times.max()) + 1))
    return parts


def _part(facility: str, channel: ChannelRow, read: ChartReadings) -> Part:
    return Part(
        facility=facility,
        device=channel.device,
        channel=channel.slug,
        unit=channel.unit,
        derived=False,
        readings=read,
    )


async def _derived_channels(
    context: Context,
    connection: AsyncConnection,
    facilities: Sequence[FacilityRow],
    query: ReadingsQuery,
    measured: Sequence[tuple[str, ChannelRow]],
) -> list[tuple[str, DerivedChannel]]:
    """Return the derived channels that are asked for, each with its facility.

    Where each channel that is named is ``measured`` there is none: who draws those need not wait.
    """
    named = len(set(query.device)) * len(set(query.channel))
    present = Counter(slug for slug, _ in measured)
    open_ids = [facility.id for facility in facilities if not 0 < named <= present[facility.slug]]
    if not open_ids:
        return []
    with_some = await derived_readings.facilities_with_some(connection, open_ids)
    if not with_some:
        return []

    def ask(connection: psycopg.Connection[Any]) -> list[tuple[str, DerivedChannel]]:
        return [
            (facility.slug, channel)
            for facility in facilities
            if facility.id in with_some
            for channel in derived_readings.channels(connection, facility.id)
            if (not query.device or channel.device in query.device)
            and (not query.channel or channel.slug in query.channel)
        ]

    return await context.database.read_in_thread(ask)


def _compute(
    connection: psycopg.Connection[Any],
    derived: Sequence[tuple[str, DerivedChannel]],
    query: ReadingsQuery,
    begins: datetime,
    ends: datetime,
    parts: list[Part],
) -> None:
    """Add the rows of derived channels."""
    rows = sum(len(part.readings.series) for part in parts)
    for slug, channel in derived:
        try:
            part = derived_readings.readings(
                connection, channel, begins=begins, ends=ends, max_points=query.max_points
            )
        except TooMuchToComputeError as error:
            raise TooManyRows(f"{error}.") from None
        parts.append(
            Part(
                facility=slug,
                device=channel.device,
                channel=channel.slug,
                unit=channel.stated.unit,
                derived=True,
                readings=part,
            )
        )
        rows += len(part.series)
        _refuse_beyond(rows)


def _refuse_beyond(rows: int) -> None:
    if rows > MAX_ROWS:
        raise TooManyRows(
            f"The answer would have more than {MAX_ROWS} rows; select fewer channels or"
            " reduce `max_points`."
        )
