"""``/v1/readings``: the readings of devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import numpy as np
import psycopg
from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import Context, InContext
from services.api.http.answers import Accept, table_answer
from services.api.http.columns import Instants, Numbers, Table, Words
from services.api.http.pages import MAX_ROWS
from services.api.http.parameters import FacilityList, SlugList, TimeSpan
from services.api.http.problems import Archived, NotFound, TooManyRows
from services.api.http.shapes import Shape
from services.api.models.readings import ReadingRow
from services.core.store.answers import derived_readings
from services.core.store.answers.derived_readings import DerivedChannel, TooMuchToComputeError
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.readings.chart import (
    QUALITIES,
    ChannelRow,
    ChartReadings,
    channels,
    readings,
)

router = APIRouter(tags=["readings"])

_ROWS = Shape(ReadingRow)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """The rows of one channel."""

    facility: str
    device: str
    channel: str
    unit: str
    derived: bool
    readings: ChartReadings


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
        " lowest and the highest of each of `max_points / 2` equal time spans are returned",
    )


@router.get(
    "/v1/readings",
    summary="List readings",
    response_model=list[ReadingRow],
    responses=_ROWS.documented(
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
    facilities = await visible_facilities(context, who, query.facility)
    parts: list[_Part] = []
    rows = 0
    async with context.database.read() as connection:
        wanted = [
            (facility.slug, channel)
            for facility in facilities
            for channel in await channels(
                connection, facility.id, devices=query.device, slugs=query.channel
            )
        ]
        derived = await _derived_channels(context, connection, facilities, query, wanted)
        for parameter, named, present in (
            (
                "device",
                query.device,
                {c.device for _, c in wanted} | {c.device for _, c in derived},
            ),
            ("channel", query.channel, {c.slug for _, c in wanted} | {c.slug for _, c in derived}),
        ):
            if missing := set(named) - present:
                raise NotFound(f"There is no {parameter} {min(missing)} in the selection.")
        for slug, channel in wanted:
            part = await readings(
                connection, channel, begins=begins, ends=ends, max_points=query.max_points
            )
            parts.append(
                _Part(
                    facility=slug,
                    device=channel.device,
                    channel=channel.slug,
                    unit=channel.unit,
                    derived=False,
                    readings=part,
                )
            )
            rows += len(part.series)
            _refuse_beyond(rows)
    if derived:
        await context.database.read_in_thread(
            lambda connection: _compute(connection, derived, query, begins, ends, parts)
        )
    return table_answer(
        _table(parts), _ROWS, accept=accept, headers=retired_header(facilities, query.facility)
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
    parts: list[_Part],
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
            _Part(
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


def _table(parts: Sequence[_Part]) -> Table:
    """Put rows in order of time, facility, device and channel."""
    if not parts:
        return _ROWS.table_of([])
    in_order = sorted(parts, key=lambda part: (part.facility, part.device, part.channel))
    read = [part.readings for part in in_order]
    series = [part.series for part in read]
    order = np.argsort(np.concatenate([s.ts_us for s in series]), kind="stable")
    part = np.repeat(np.arange(len(series)), [len(s) for s in series])[order]

    def of_part(name: str) -> Words:
        return Words([getattr(channel, name) for channel in in_order], part)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(s, name) for s in series])[order]

    over = np.concatenate([channel.over_full_scale for channel in read])
    return _ROWS.table(
        {
            "time": Instants(joined("ts_us"), np.arange(order.size)),
            "device": of_part("device"),
            "channel": of_part("channel"),
            "value": Numbers(joined("value"), ~joined("missing")),
            "unit": of_part("unit"),
            "quality": Words(QUALITIES, joined("quality")),
            "facility": of_part("facility"),
            "over_full_scale": Numbers(over[order]),
            "derived": of_part("derived"),
        }
    )


def _refuse_beyond(rows: int) -> None:
    if rows > MAX_ROWS:
        raise TooManyRows(
            f"The answer would have more than {MAX_ROWS} rows; select fewer channels or"
            " reduce `max_points`."
        )
