"""``/v1/live`` and ``/v1/stream``: the present state of a facility, once or as a stream."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header
from fastapi import Query as FromQuery
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse
from pydantic import Field

from services.api.auth import Reader, in_force, no_facility
from services.api.context import InContext
from services.api.database import Database
from services.api.http.answers import json_answer
from services.api.http.errors import DATABASE_ERRORS, from_database
from services.api.http.parameters import FacilityId, Instant, Query
from services.api.http.problems import (
    DatabaseAway,
    FacilityRetired,
    NotFound,
    TooManyStreams,
    TooManyStreamsOfOne,
    TooSlow,
    documented,
)
from services.api.live.body import live_body
from services.api.live.feed import FeedAwayError, LiveEvent, ReadLive
from services.api.models.live import Live
from services.core.runtime.clock import Clock
from services.core.store.alerts.queries import alerts_as_of, is_open, live_alerts
from services.core.store.answers.live import facility_live
from services.core.store.answers.live_as_of import (
    Past,
    compute_past,
    facility_live_as_of,
    zone_and_sources,
)
from services.core.store.answers.source_uncertainty import KnownAccounts, source_accounts

router = APIRouter(tags=["live"])

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


class StreamQuery(Query):
    """Parameters of ``GET /v1/stream``."""

    facility: FacilityId


@router.get(
    "/v1/live",
    summary="Get live totals",
    response_model=Live,
    responses=documented(NotFound, FacilityRetired),
)
async def get_live(
    context: InContext, who: Reader, query: Annotated[LiveQuery, FromQuery()]
) -> Response:
    """Return rate, totals by window and coverage, for the facility and for each source.

    A retired facility only has those of the past, with `as_of`.
    """
    if not who.sees(query.facility):
        raise no_facility(query.facility)
    now = context.clock.now()
    as_of = None if query.as_of is None else min(now, query.as_of)
    past = None if as_of is None else await _past(context, query.facility, as_of)
    async with context.database.read() as connection:
        if as_of is None:
            state = await facility_live(connection, query.facility, now=now)
        elif past is None:
            state = None
        else:
            state = await facility_live_as_of(connection, query.facility, as_of=as_of, past=past)
        accounts = await source_accounts(connection, query.facility, as_of)
        alerts = (
            await live_alerts(connection, query.facility)
            if query.as_of is None
            else await alerts_as_of(connection, query.facility, query.as_of)
        )
    if state is None:
        await in_force(context, who, query.facility)
        raise no_facility(query.facility)
    return json_answer(live_body(state, accounts, [a for a in alerts if is_open(a)]))


async def _past(context: InContext, facility: str, as_of: datetime) -> Past | None:
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
) -> Response:
    """Stream the live totals and alerts of a facility as server-sent events."""
    await in_force(context, who, query.facility)
    context.feed.admit()
    context.gate.admit_stream(who.asker)
    return EventSourceResponse(
        context.feed.stream(query.facility, after=_sequence_of(last_event_id), key_id=who.key_id),
        # a proxy that buffers would hold events back
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _sequence_of(event_id: str) -> int | None:
    """Return the last change of the totals that a client has seen; None: not given."""
    sequence = event_id.partition("-")[0]
    return int(sequence) if sequence.isdecimal() and len(sequence) < 19 else None


def live_reader(database: Database, clock: Clock) -> ReadLive:
    """Build the feed's reader: the state of a facility as one event."""
    known = KnownAccounts()

    async def read(facility: str) -> LiveEvent | None:
        now = clock.now()
        try:
            async with database.read() as connection:
                state = await facility_live(connection, facility, now=now)
                accounts = await known.read(connection, facility)
                alerts = await live_alerts(connection, facility)
        except DATABASE_ERRORS as error:
            if isinstance(from_database(error), DatabaseAway | TooSlow):
                raise FeedAwayError(str(error)) from error
            raise
        if state is None:
            return None
        return LiveEvent(
            id=f"{state.sequence}-{int(now.timestamp()) // 60}",
            body=msgspec.json.encode(
                live_body(state, accounts, [alert for alert in alerts if is_open(alert)])
            ),
            sequence=state.sequence,
            alerts=tuple((alert["data_version"], msgspec.json.encode(alert)) for alert in alerts),
        )

    return read
