"""``/v1/readings``: the readings of devices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.pages import MAX_ROWS
from services.api.http.parameters import FacilityList, SlugList, TimeSpan
from services.api.http.problems import NotFound, TooManyRows
from services.api.http.shapes import Shape
from services.api.models.readings import ReadingRow
from services.core.store.readings.chart import channels, readings

router = APIRouter(tags=["readings"])

_ROWS = Shape(ReadingRow)


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
        TooManyRows,
    ),
)
async def get_readings(
    context: InContext,
    who: Reader,
    query: Annotated[ReadingsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List readings in the unit of the channel, its scale and offset worked in.

    Devices of different facilities may have the same id; `facility` tells them apart.
    """
    begins, ends = query.bounds(context.clock.now())
    facilities = await visible_facilities(context, who, query.facility)
    rows: list[dict[str, Any]] = []
    async with context.database.read() as connection:
        wanted = [
            (facility.slug, channel)
            for facility in facilities
            for channel in await channels(
                connection, facility.id, devices=query.device, slugs=query.channel
            )
        ]
        for parameter, named, present in (
            ("device", query.device, {c.device for _, c in wanted}),
            ("channel", query.channel, {c.slug for _, c in wanted}),
        ):
            if missing := set(named) - present:
                raise NotFound(f"There is no {parameter} {min(missing)} in the selection.")
        for slug, channel in wanted:
            part = await readings(
                connection, channel, begins=begins, ends=ends, max_points=query.max_points
            )
            rows.extend(
                _ROWS.row(
                    reading,
                    time=reading.ts,
                    device=channel.device,
                    channel=channel.slug,
                    unit=channel.unit,
                    facility=slug,
                    over_full_scale=channel.full_scale is not None
                    and reading.value is not None
                    and reading.value > channel.full_scale,
                )
                for reading in part
            )
            if len(rows) > MAX_ROWS:
                raise TooManyRows(
                    f"The answer would have more than {MAX_ROWS} rows; select fewer channels or"
                    " reduce `max_points`."
                )
    rows.sort(key=lambda row: (row["time"], row["facility"], row["device"], row["channel"]))
    return rows_answer(
        rows, _ROWS, accept=accept, headers=retired_header(facilities, query.facility)
    )
