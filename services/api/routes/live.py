"""``/v1/live`` and ``/v1/stream``: the present state of a facility, once or as a stream."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Principal, Reader, in_force, no_facility
from services.api.context import Context, InContext
from services.api.database import Database
from services.api.http.answers import Accept, chosen_media_type, json_answer, rows_answer
from services.api.http.calls import Call
from services.api.http.errors import DATABASE_ERRORS, passes
from services.api.http.formats import JSON, TextFormat
from services.api.http.parameters import FacilityId, Instant, Query
from services.api.http.problems import (
    FacilityRetired,
    NotFound,
    TooManyStreams,
    TooManyStreamsOfOne,
    documented,
)
from services.api.http.shapes import Shape
from services.api.http.validators import NOT_MODIFIED, IfNoneMatch
from services.api.live.bodies import LiveBodies
from services.api.live.body import live_body
from services.api.live.events import LiveEvent
from services.api.live.feed import FeedAwayError, ReadLive
from services.api.live.stream import LiveStream
from services.api.live.viewer import Viewer
from services.api.models.live import Live
from services.api.models.live_rows import LiveRow, live_rows
from services.api.routes.live_hours import hours_reader
from services.core.runtime.clock import Clock
from services.core.store.alerts.queries import alerts_as_of, is_open
from services.core.store.answers.balances import balances
from services.core.store.answers.live_as_of import (
    Past,
    compute_past,
    facility_live_as_of,
    zone_and_sources,
)
from services.core.store.answers.source_uncertainty import source_accounts

router = APIRouter(route_class=Call, tags=["live"])

_ROWS = Shape(LiveRow)
#: Headers that an answer has in each of its formats.
_SHARED_HEADERS = ("ETag", "Cache-Control", "Vary")

_STREAM_EXAMPLE = (
    'event: live\ndata: {"as_of":"2026-11-23T18:00:05Z","facility":"linz",'
    '"rate_kg_h":10592.7,"totals":{...},"sources":[...],"alerts":[]}\nid: 4711-29926680\n\n'
)


class LiveQuery(Query):
    """Parameters of ``GET /v1/live``."""

    facility: FacilityId
    as_of: Instant | None = Field(
        None,
        description="returns the totals as they were known at this time: closed hours in the"
        " versions in force then, others as the readings of then make them; a window that nobody"
        " can tell any more is null, with the `reason`",
    )
    format: TextFormat = None


class StreamQuery(Query):
    """Parameters of ``GET /v1/stream``."""

    facility: FacilityId


@router.get(
    "/v1/live",
    summary="Get live totals",
    response_model=Live,
    responses=_ROWS.documented(
        "The present state. With `Accept: text/csv`, `format=csv` or as `/v1/live.csv`: rows of the"
        " facility and of each source, by window.",
        NotFound,
        FacilityRetired,
    )
    | NOT_MODIFIED,
)
async def get_live(
    context: InContext,
    who: Reader,
    query: Annotated[LiveQuery, FromQuery()],
    accept: Accept = "",
    if_none_match: IfNoneMatch = "",
) -> Response:
    """Return rate, totals by window and coverage, for the facility and for each source.

    A retired facility only has those of the past, with `as_of`.
    """
    media_type = chosen_media_type(accept, query.format, _ROWS.media_types)
    answer = await _live(context, who, query, if_none_match)
    if media_type == JSON or answer.status_code == 304:
        return answer
    rows = live_rows(msgspec.json.decode(answer.body))
    headers = {name: answer.headers[name] for name in _SHARED_HEADERS if name in answer.headers}
    return rows_answer(list(rows), _ROWS, accept=media_type, headers=headers)


async def _live(context: Context, who: Principal, query: LiveQuery, if_none_match: str) -> Response:
    if not who.sees(query.facility):
        raise no_facility(query.facility)
    now = context.clock.now()
    if query.as_of is not None:
        return await _live_as_of(context, who, query.facility, min(now, query.as_of), query.as_of)
    asked = await context.live.state(query.facility, now)
    if asked is not None and asked.validator.holds(if_none_match):
        return asked.validator.not_modified()
    live = (
        None
        if asked is None
        else await context.live.of_state(context.database, query.facility, asked, now)
    )
    if live is None:
        await in_force(context, who, query.facility)
        raise no_facility(query.facility)
    return Response(live.body(now), media_type=JSON, headers=live.validator.headers)


async def _live_as_of(
    context: Context, who: Principal, facility: str, as_of: datetime, asked: datetime
) -> Response:
    past = await _past(context, facility, as_of)
    if past is None:
        await in_force(context, who, facility)
        raise no_facility(facility)
    async with context.database.read() as connection:
        state = await facility_live_as_of(connection, facility, as_of=as_of, past=past)
        accounts = await source_accounts(connection, facility, as_of)
        stated = await balances(connection, [facility], as_of)
        alerts = await alerts_as_of(connection, facility, asked)
        read = hours_reader(context.database, context.facilities, context.accounts, as_of)
        beside = await read(connection, facility, as_of)
    if state is None:
        raise no_facility(facility)
    standing = [alert for alert in alerts if is_open(alert)]
    return json_answer({**live_body(state, accounts, standing, stated.get(facility)), **beside})


async def _past(context: Context, facility: str, as_of: datetime) -> Past | None:
    """Compute what had been known at ``as_of``; None: there is no such facility."""
    async with context.database.read() as connection:
        zone_sources = await zone_and_sources(connection, facility, as_of)
    if zone_sources is None:
        return None
    timezone, sources = zone_sources
    return await context.database.read_in_thread(
        lambda connection: compute_past(connection, sources, timezone, as_of)
    )


@router.get(
    "/v1/stream",
    summary="Stream live totals",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events. Event `live` has the body of `GET /v1/live`; it is"
            " sent at once, on each change (at most four a second) and at least every 15 seconds."
            " Each holds the complete state, so a client that reconnects has missed nothing once"
            " it receives the first one. Before it, event `alert` has a row of `GET /v1/alerts`"
            " for each alert that changed since the previous event or, with `Last-Event-ID`, since"
            " that event, for up to 15 minutes. A stream ends after ten minutes; clients"
            " reconnect.",
            "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
        },
        **documented(NotFound, FacilityRetired, TooManyStreams, TooManyStreamsOfOne),
    },
)
async def get_stream(
    context: InContext,
    who: Reader,
    query: Annotated[StreamQuery, FromQuery()],
    last_event_id: Annotated[str, Header(include_in_schema=False)] = "",
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Stream the live totals and alerts of a facility as server-sent events."""
    await in_force(context, who, query.facility)
    context.feed.admit()
    context.gate.admit_stream(who.asker)
    return LiveStream(
        context.feed,
        lambda wire, deflated: Viewer(
            wire,
            query.facility,
            deflated=deflated,
            after=_sequence_of(last_event_id),
            credential=who.credential,
        ),
        accept_encoding=accept_encoding,
    )


def _sequence_of(event_id: str) -> int | None:
    """Return the last change of the totals that a client has seen; None: not given."""
    sequence = event_id.partition("-")[0]
    return int(sequence) if sequence.isdecimal() and len(sequence) < 19 else None


def live_reader(database: Database, clock: Clock, bodies: LiveBodies) -> ReadLive:
    """Build the feed's reader: the state of a facility as one event."""

    async def read(facility: str) -> LiveEvent | None:
        now = clock.now()
        try:
            live = await bodies.read(database, facility, now)
        except DATABASE_ERRORS as error:
            if passes(error):
                raise FeedAwayError(str(error)) from error
            raise
        if live is None:
            return None
        return LiveEvent(
            id=f"{live.sequence}-{int(now.timestamp()) // 60}",
            body=live.body(now),
            sequence=live.sequence,
            alerts=live.alerts,
        )

    return read
