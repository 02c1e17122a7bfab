"""``/v1/live`` and ``/v1/stream``: a facility now, once or for as long as one watches."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from fastapi import Query as FromQuery
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse
from pydantic import Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.auth import Reader, in_force, no_facility
from services.api.context import InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import Instant, Query
from services.api.http.problems import (
    DatabaseAway,
    FacilityRetired,
    NotFound,
    TooManyStreams,
    TooManyStreamsOfOne,
    TooSlow,
    documented,
    from_database,
)
from services.api.live.body import live_body
from services.api.live.feed import FeedAwayError, LiveEvent, ReadLive
from services.api.models.models import Live
from services.core.runtime.clock import Clock
from services.core.store.alerts.queries import alerts_as_of, is_open, live_alerts
from services.core.store.answers.live import facility_live
from services.core.store.answers.live_as_of import facility_live_as_of
from services.core.store.answers.source_uncertainty import KnownAccounts, source_accounts

router = APIRouter(tags=["live"])

_STREAM_EXAMPLE = (
    'event: live\ndata: {"as_of":"2026-11-23T18:00:05Z","facility":"linz",'
    '"rate_kg_h":10592.7,"totals":{...},"sources":[...],"alerts":[]}\nid: 4711-29926680\n\n'
)


class LiveQuery(Query):
    """Parameters of ``GET /v1/live``."""

    facility: str = Field(min_length=1, description="the facility's id", examples=["linz"])
    as_of: Instant | None = Field(
        None,
        description="the totals as they were known then: whole hours by the versions in force"
        " then, of at most one hour at each end of a window its minutes' share of that",
    )


class StreamQuery(Query):
    """Parameters of ``GET /v1/stream``."""

    facility: str = Field(min_length=1, description="the facility's id", examples=["linz"])


@router.get(
    "/v1/live",
    summary="Rate and totals of a facility now",
    response_model=Live,
    responses=documented(NotFound, FacilityRetired),
)
async def get_live(
    context: InContext, who: Reader, query: Annotated[LiveQuery, FromQuery()]
) -> Response:
    """Rate, totals by window and coverage, of the facility and of each source.

    Of a facility that is retired there are none but those of the past, with `as_of`.
    """
    if not who.sees(query.facility):
        raise no_facility(query.facility)
    async with context.engine.connect() as connection:
        now = context.clock.now()
        if query.as_of is None:
            state = await facility_live(connection, query.facility, now=now)
        else:
            state = await facility_live_as_of(
                connection, query.facility, as_of=min(now, query.as_of)
            )
        accounts = await source_accounts(connection, query.facility)
        alerts = (
            await live_alerts(connection, query.facility)
            if query.as_of is None
            else await alerts_as_of(connection, query.facility, query.as_of)
        )
    if state is None:
        await in_force(context, who, query.facility)
        raise no_facility(query.facility)
    return json_answer(live_body(state, accounts, [a for a in alerts if is_open(a)]))


@router.get(
    "/v1/stream",
    summary="The same as it changes, as server-sent events",
    response_class=Response,
    responses={
        200: {
            "description": "Event `live` with the body of `GET /v1/live`: at once, on each change"
            " (at most four a second) and at least every 15 seconds. Each is the whole state, so a"
            " client that reconnects has missed nothing once it has the first one. Before it,"
            " event `alert` with a row of `GET /v1/alerts` for each alert that changed since the"
            " last event; with `Last-Event-ID`, since that one, up to a quarter of an hour back. A"
            " stream ends after ten minutes; clients reconnect.",
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
) -> Response:
    """Events of one facility."""
    await in_force(context, who, query.facility)
    context.feed.admit()
    context.gate.admit_stream(who.asker)
    return EventSourceResponse(
        context.feed.stream(query.facility, after=_sequence_of(last_event_id), key_id=who.key_id),
        # a proxy that buffers would hold events back
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _sequence_of(event_id: str) -> int | None:
    """Up to which change of the totals a client has seen all; None: it does not say."""
    sequence = event_id.partition("-")[0]
    return int(sequence) if sequence.isdecimal() and len(sequence) < 19 else None


def live_reader(engine: AsyncEngine, clock: Clock) -> ReadLive:
    """What the feed reads with: the state of a facility as one event."""
    known = KnownAccounts()

    async def read(facility: str) -> LiveEvent | None:
        now = clock.now()
        try:
            async with engine.connect() as connection:
                state = await facility_live(connection, facility, now=now)
                accounts = await known.read(connection, facility)
                alerts = await live_alerts(connection, facility)
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            if isinstance(from_database(error), DatabaseAway | TooSlow):
                raise FeedAwayError(str(error)) from error
            raise
        if state is None:
            return None
        return LiveEvent(
            id=f"{state.sequence}-{int(now.timestamp()) // 60}",
            body=msgspec.json.encode(
                live_body(state, accounts, [each for each in alerts if is_open(each)])
            ),
            sequence=state.sequence,
            alerts=tuple((each["data_version"], msgspec.json.encode(each)) for each in alerts),
        )

    return read
