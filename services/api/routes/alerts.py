"""``/v1/alerts``: alerts, their history, and acknowledgements."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import psycopg
from fastapi import APIRouter, Path
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BeforeValidator, Field

from services.api.auth import Operator, Principal, Reader, seen_facilities, visible_facilities
from services.api.context import Context, InContext
from services.api.http.answers import Accept, json_answer, rows_answer
from services.api.http.calls import Call
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.gathered import not_here
from services.api.http.pages import CursorText, Pages, RowLimit
from services.api.http.parameters import (
    End,
    FacilitiesQuery,
    FacilityList,
    Instant,
    Query,
    SlugList,
    split_list,
)
from services.api.http.problems import NotFound, documented
from services.api.http.shapes import Shape
from services.api.models.alerts import (
    Alert,
    AlertCodeRow,
    AlertCoursePoint,
    AlertState,
    AlertWithHistory,
)
from services.core.facility.fields import Slug
from services.core.store.alerts import courses, queries, threshold_changes
from services.core.store.alerts.courses import CourseRequest
from services.core.store.alerts.threshold_changes import Remark

router = APIRouter(route_class=Call, tags=["alerts"])

_ROWS = Shape(Alert)
_CODES = Shape(AlertCodeRow)
_COURSES = Shape(AlertCoursePoint)

AlertId = Annotated[int, Path(ge=1, lt=1 << 63, description="alert id")]


class AlertsQuery(Query):
    """Parameters of ``GET /v1/alerts``."""

    facility: FacilityList = Field([])
    state: Annotated[list[AlertState], BeforeValidator(split_list)] = Field(
        [], description="firing, no-data, resolved; none: all", examples=[["firing"]]
    )
    threshold: SlugList = Field([], description="threshold ids; none: all")
    reason: SlugList = Field(
        [], description="codes of why it fired, by the newest that was given; none: all"
    )
    action: SlugList = Field(
        [], description="codes of what was done, by the newest that was given; none: all"
    )
    from_: Instant | None = Field(
        None, alias="from", description="alerts that lasted until this time or later"
    )
    to: End | None = Field(None, description="alerts that fired before this time")
    limit: RowLimit = 1000
    cursor: CursorText = None
    format: TextFormat = None


class _Place(NamedTuple):
    id: int


_PAGES: Pages[dict[str, Any], _Place] = Pages(
    "/v1/alerts", Cursor(_Place), lambda row: _Place(row["id"])
)


class AckBody(Query):
    """Body of ``POST /v1/alerts/{alert}/ack``."""

    comment: str | None = Field(None, min_length=1, max_length=1000)
    reason: Slug | None = Field(
        None, examples=["start-up"], description="why it fired, a code of `GET /v1/alerts/codes`"
    )
    action: Slug | None = Field(
        None,
        examples=["load-reduced"],
        description="what was done, a code of `GET /v1/alerts/codes`",
    )

    def remark(self) -> Remark | None:
        """Return what it says; None: nothing."""
        remark = Remark(self.comment, self.reason, self.action)
        return remark if any(remark) else None


@router.get(
    "/v1/alerts",
    summary="List alerts",
    response_model=list[Alert],
    responses=_ROWS.documented(
        "Rows, newest first. JSON or, with `Accept: text/csv`, CSV.", NotFound
    ),
)
async def get_alerts(
    context: InContext,
    who: Reader,
    query: Annotated[AlertsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List alerts of the facilities that the key can see, newest first, retracted ones included."""
    after = _PAGES.after(query)
    async with context.database.read() as connection:
        facilities = await seen_facilities(connection, context, who, query.facility)
        rows = await queries.alerts(
            connection,
            [facility.id for facility in facilities],
            states=query.state,
            thresholds=query.threshold,
            reasons=query.reason,
            actions=query.action,
            begins=query.from_,
            ends=query.to,
            before_id=None if after is None else after.id,
            limit=query.limit + 1,
        )
    listed = _PAGES.page(rows, query)
    return rows_answer(listed.rows, _ROWS, accept=accept, name=query.format, headers=listed.headers)


class CodesQuery(FacilitiesQuery):
    """Parameters of ``GET /v1/alerts/codes``."""


@router.get(
    "/v1/alerts/codes",
    summary="List codes for alerts",
    response_model=list[AlertCodeRow],
    responses=_CODES.documented(
        "Rows by facility, reasons first, as facility files list them. JSON or, with"
        " `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_codes(
    context: InContext,
    who: Reader,
    query: Annotated[CodesQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List the codes by which people say why an alert fired and what was done."""
    facilities = await visible_facilities(context, who, query.facility)
    async with context.database.read() as connection:
        rows = await queries.codes(connection, [facility.id for facility in facilities])
    return rows_answer(rows, _CODES, accept=accept, name=query.format)


class CoursesQuery(Query):
    """Parameters of ``GET /v1/alerts/courses``."""

    alert: Annotated[list[Annotated[int, Field(ge=1, lt=1 << 63)]], BeforeValidator(split_list)] = (
        Field(min_length=1, max_length=50, description="alert ids", examples=[[17]])
    )
    from_: Instant | None = Field(
        None,
        alias="from",
        description="default: an hour, or a quarter of its length, before each breach",
    )
    to: End | None = Field(None, description="default: as long after each breach, or now")
    max_points: int = Field(
        200, ge=2, le=2000, description="rows of each alert; each stands for as many minutes"
    )
    format: TextFormat = None


@router.get(
    "/v1/alerts/courses",
    summary="List how the values of alerts went",
    response_model=list[AlertCoursePoint],
    responses=_COURSES.documented(
        "Rows by alert and time, of at most 35 days, as present data have it. An alert whose values"
        " are unknown has none: its threshold was deleted or watches something else now, or its"
        " window ended too long ago to be added up. JSON or, with `Accept: text/csv`, CSV.",
        NotFound,
    ),
)
async def get_courses(
    context: InContext,
    who: Reader,
    query: Annotated[CoursesQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List the values that were compared with the limits of alerts, before, in and after each."""
    request = CourseRequest(
        alerts=query.alert, begins=query.from_, ends=query.to, max_points=query.max_points
    )
    now = context.clock.now()

    def ask(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
        facilities = courses.facilities_of(connection, request.alerts)
        present = [a for a in request.alerts if a in facilities and who.sees(facilities[a])]
        absent = not_here(str(alert) for alert in set(request.alerts) - set(present))
        if absent:
            raise _unknown(next(alert for alert in request.alerts if str(alert) in absent))
        return courses.courses(connection, replace(request, alerts=present), now)

    rows = await context.database.read_in_thread(ask)
    return rows_answer(rows, _COURSES, accept=accept, name=query.format)


@router.get(
    "/v1/alerts/{alert}",
    summary="Get an alert",
    response_model=AlertWithHistory,
    responses=documented(NotFound),
)
async def get_alert(context: InContext, who: Reader, alert: AlertId) -> Response:
    """Return an alert with its state transitions and comments."""
    return json_answer(await _visible(context, who, alert))


@router.post(
    "/v1/alerts/{alert}/ack",
    summary="Acknowledge or comment on an alert",
    response_model=AlertWithHistory,
    responses=documented(NotFound),
)
async def post_ack(
    context: InContext, who: Operator, alert: AlertId, body: AckBody | None = None
) -> Response:
    """Acknowledge an alert. The first acknowledgement is kept, and so are comments and codes.

    This changes neither the alert's state nor its notifications.
    """
    await _visible(context, who, alert)
    remark = None if body is None else body.remark()
    await context.database.write(
        lambda connection: threshold_changes.acknowledge(connection, alert, remark, by=who.name),
        address=who.address,
    )
    return json_answer(await _visible(context, who, alert))


async def _visible(context: Context, who: Principal, alert: int) -> dict[str, object]:
    async with context.database.read() as connection:
        row = await queries.alert(connection, alert)
    if row is None or not who.sees(row["facility"]):
        raise _unknown(alert)
    return row


def _unknown(alert: int) -> NotFound:
    return NotFound(f"There is no alert {alert}; GET /v1/alerts lists alerts.")
