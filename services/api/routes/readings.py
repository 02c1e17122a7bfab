"""``/v1/readings``: what devices sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http.answers import MOST_ROWS, rows_answer
from services.api.http.parameters import SlugList, TimeSpan, check_span
from services.api.http.problems import NotFound, TooManyRows, documented
from services.api.models.models import ReadingRow
from services.core.store.readings.chart import channels, readings

router = APIRouter(tags=["readings"])

_COLUMNS = tuple(ReadingRow.model_fields)


class ReadingsQuery(TimeSpan):
    """Parameters of ``GET /v1/readings``."""

    facility: SlugList = Field([], description="facility ids; none: all", examples=[["linz"]])
    device: SlugList = Field(
        [], description="device ids, of any facility asked for; none: all", examples=[["cems-1"]]
    )
    channel: SlugList = Field([], description="channel ids; none: all", examples=[["co2"]])
    max_points: int = Field(
        1000,
        ge=2,
        le=MOST_ROWS,
        description="most rows of a channel; where there are more readings, the least and the"
        " greatest of each of `max_points / 2` equal spans are given, unchanged",
    )


@router.get(
    "/v1/readings",
    summary="Readings as they were sent",
    response_model=list[ReadingRow],
    responses={
        200: {
            "content": {
                "text/csv": {
                    "example": ",".join(_COLUMNS)
                    + "\r\n2026-11-23T18:00:00.250Z,cems-1,co2,12.5,%,good,linz"
                }
            }
        },
        **documented(NotFound, TooManyRows),
    },
)
async def get_readings(
    context: InContext,
    who: Reader,
    query: Annotated[ReadingsQuery, FromQuery()],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Rows by time, facility, device and channel, in the unit that the channel was declared with.

    Facilities may have devices of the same id: `facility` says whose a row is.
    """
    ends = query.to or context.clock.now()
    begins = query.from_ or ends - timedelta(days=1)
    check_span(begins, ends)
    found = await visible_facilities(context, who, query.facility)
    rows: list[dict[str, Any]] = []
    async with context.engine.connect() as connection:
        wanted = [
            (facility.slug, channel)
            for facility in found
            for channel in await channels(
                connection, facility.id, devices=query.device, slugs=query.channel
            )
        ]
        for parameter, named, present in (
            ("device", query.device, {c.device for _, c in wanted}),
            ("channel", query.channel, {c.slug for _, c in wanted}),
        ):
            if missing := set(named) - present:
                raise NotFound(f"There is no {parameter} {min(missing)} in what was asked for.")
        for slug, channel in wanted:
            part = await readings(
                connection, channel.id, begins=begins, ends=ends, max_points=query.max_points
            )
            rows.extend(
                {
                    "time": reading.ts,
                    "device": channel.device,
                    "channel": channel.slug,
                    "value": reading.value,
                    "unit": channel.unit,
                    "quality": reading.quality,
                    "facility": slug,
                }
                for reading in part
            )
            if len(rows) > MOST_ROWS:
                raise TooManyRows(
                    f"The answer would have more than {MOST_ROWS} rows; name fewer channels, or"
                    " ask for fewer `max_points`."
                )
    rows.sort(key=lambda row: (row["time"], row["facility"], row["device"], row["channel"]))
    return rows_answer(rows, columns=_COLUMNS, accept=accept)
