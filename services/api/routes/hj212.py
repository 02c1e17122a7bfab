"""``/v1/reports/hj212``: hours and days of a stack as frames of HJ 212."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, retired_header, visible_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.parameters import FacilityId, TimeSpan
from services.api.http.problems import Archived, InvalidRequest, NotFound
from services.api.http.shapes import Shape
from services.api.models.hj212 import Hj212Frame
from services.core.accounting.hj212.frames import Edition
from services.core.accounting.hj212.messages import Station, of_stack
from services.core.store.answers.stack_hours import stack_hours
from services.core.store.audit.record import record

router = APIRouter(tags=["reports"])

_ROWS: Final = Shape(Hj212Frame)
_MAX_DAYS: Final = 31


class Hj212Query(TimeSpan):
    """Parameters of ``GET /v1/reports/hj212``."""

    facility: FacilityId
    source: str = Field(min_length=1, description="id of a stack", examples=["stack-1"])
    period: Literal["hour", "day"] = Field(
        "hour", description="CN=2061, or CN=2031 of whole days of Beijing time"
    )
    edition: Literal["2017", "2025"] = Field("2025", description="edition of HJ 212")
    mn: str = Field(
        pattern="^[0-9A-F]{24}$",
        description="MN, the code of the station as the authority gave it",
        examples=["010000A8900016F000169DC0"],
    )
    pw: str = Field(
        "123456",
        pattern="^[0-9A-Za-z]{1,6}$",
        description="PW; each frame carries it in the clear",
        examples=["123456"],
    )

    @property
    def station(self) -> Station:
        """Who sends."""
        return Station(mn=self.mn, password=self.pw, edition=Edition[f"E{self.edition}"])


@router.get(
    "/v1/reports/hj212",
    summary="List frames of HJ 212",
    response_model=list[Hj212Frame],
    responses=_ROWS.documented(
        "A message for each final hour of a stack under a rule, or each whole day, as one or more"
        " frames. What no valid hour measured is not in them, substitutes neither: `left_out` says"
        f" what. A span of {_MAX_DAYS} days at most. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
        Archived,
    ),
)
async def get_hj212(
    context: InContext,
    who: Reader,
    query: Annotated[Hj212Query, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List what is sent of a stack's hours or days."""
    now = context.clock.now()
    begins, ends = query.bounds(now)
    if (ends - begins).days > _MAX_DAYS:
        raise InvalidRequest(f"frames are told of {_MAX_DAYS} days at most: ask for less")
    facilities = await visible_facilities(context, who, [query.facility])
    hours = await context.database.read_in_thread(
        lambda connection: stack_hours(connection, query.facility, query.source, begins, ends)
    )
    await context.database.write(
        lambda connection: record(
            connection,
            "report.export",
            by=who.name,
            facility=query.facility,
            subject=f"hj212 {query.source}",
            after={"from": begins, "to": ends},
        ),
        address=who.address,
    )
    messages = of_stack(
        hours, query.station, period=query.period, begins=begins, ends=ends, now=now
    )
    rows = [
        _ROWS.row(
            message,
            time=message.begins,
            facility=query.facility,
            source=query.source,
            period=query.period,
            edition=query.edition,
            part=number,
            parts=len(message.frames),
            left_out="; ".join(message.left_out),
            frame=frame.decode("ascii"),
        )
        for message in messages
        for number, frame in enumerate(message.frames, start=1)
    ]
    return rows_answer(
        rows, _ROWS, accept=accept, headers=retired_header(facilities, [query.facility])
    )
