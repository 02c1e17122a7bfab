"""``/v1/alerts``: what passed its limit, and who knows of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BeforeValidator, Field

from services.api.auth import Principal, Reader, Writer, visible_facilities
from services.api.context import Context, InContext
from services.api.http import cursors
from services.api.http.answers import MOST_ROWS, json_answer, next_link, rows_answer
from services.api.http.parameters import End, Instant, Query, SlugList, split_list
from services.api.http.problems import NotFound, documented
from services.api.models.alerts import Alert, AlertState, AlertWithHistory
from services.api.registry_write import write
from services.core.store.alerts import limit_changes, queries

router = APIRouter(tags=["alerts"])

_COLUMNS = tuple(Alert.model_fields)

AlertId = Annotated[int, Path(ge=1, lt=1 << 63, description="id of the alert")]


class AlertsQuery(Query):
    """Parameters of ``GET /v1/alerts``."""

    facility: SlugList = Field([], description="facility ids; none: all", examples=[["linz"]])
    state: Annotated[list[AlertState], BeforeValidator(split_list)] = Field(
        [], description="firing, no-data, resolved; none: all", examples=[["firing"]]
    )
    threshold: SlugList = Field([], description="threshold ids; none: all")
    from_: Instant | None = Field(None, alias="from", description="that lasted until then or later")
    to: End | None = Field(None, description="that fired before then")
    limit: int = Field(
        1000, ge=1, le=MOST_ROWS, description="most rows; the `Link` header leads to the next"
    )
    cursor: str | None = Field(
        None, description="where the last answer ended, from its `Link` header"
    )


class AckBody(Query):
    """What somebody says who knows of an alert."""

    comment: str | None = Field(None, min_length=1, max_length=1000)


@router.get(
    "/v1/alerts",
    summary="Alerts, the newest first",
    response_model=list[Alert],
    responses=documented(NotFound),
)
async def get_alerts(
    context: InContext,
    who: Reader,
    query: Annotated[AlertsQuery, FromQuery()],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Alerts of the facilities that the key may see, those that were undone among them."""
    found = await visible_facilities(context, who, query.facility)
    async with context.engine.connect() as connection:
        rows = await queries.alerts(
            connection,
            [facility.id for facility in found],
            states=query.state,
            thresholds=query.threshold,
            begins=query.from_,
            ends=query.to,
            before_id=None if query.cursor is None else cursors.number(query.cursor),
            most=query.limit + 1,
        )
    page = rows[: query.limit]
    headers = {}
    if len(rows) > len(page):
        given = query.model_dump(by_alias=True, exclude_unset=True, exclude={"cursor"}, mode="json")
        headers["Link"] = next_link("/v1/alerts", **given, cursor=page[-1]["id"])
    return rows_answer(page, columns=_COLUMNS, accept=accept, headers=headers)


@router.get(
    "/v1/alerts/{alert}",
    summary="One alert with its history",
    response_model=AlertWithHistory,
    responses=documented(NotFound),
)
async def get_alert(context: InContext, who: Reader, alert: AlertId) -> Response:
    """An alert, every transition that led to it or ended it, and every comment."""
    return json_answer(await _visible(context, who, alert))


@router.post(
    "/v1/alerts/{alert}/ack",
    summary="Acknowledge an alert, or say something of it",
    response_model=AlertWithHistory,
    responses=documented(NotFound),
)
async def post_ack(
    context: InContext, who: Writer, alert: AlertId, body: AckBody | None = None
) -> Response:
    """Say that somebody knows. Whoever says so first stays the one who did; each comment is kept.

    It changes neither the alert's state nor what is told of it.
    """
    await _visible(context, who, alert)
    comment = None if body is None else body.comment
    await write(
        context,
        lambda connection: limit_changes.acknowledge(
            connection, alert, by=who.name, comment=comment
        ),
    )
    return json_answer(await _visible(context, who, alert))


async def _visible(context: Context, who: Principal, alert: int) -> dict[str, object]:
    async with context.engine.connect() as connection:
        found = await queries.alert(connection, alert)
    if found is None or not who.sees(found["facility"]):
        raise NotFound(f"There is no alert {alert}; GET /v1/alerts lists them.")
    return found
