"""``/v1/quarantine/replay``: what was refused is tried again."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Principal, Reader, Writer, no_facility
from services.api.context import Context, InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import End, Instant, Query, SlugList
from services.api.http.problems import NotFound, documented
from services.api.models.models import Replay
from services.core.store.database.connect import engine
from services.core.store.readings import replays
from services.core.store.readings.replays import ReplayRequest, Selection

router = APIRouter(tags=["quarantine"])

#: So long a call waits for the end of the replay that it asked for.
_WAIT_S = 5.0
_LOOK_EVERY_S = 0.1

EntryId = Annotated[int, Field(ge=1, lt=1 << 63)]


class ReplayBody(Query):
    """What is to be tried again: entries by id, by what they are, or both; nothing: all."""

    ids: list[EntryId] | None = Field(
        None, min_length=1, max_length=10_000, description="entries, as GET /v1/quarantine lists"
    )
    facility: SlugList = Field([], description="facility ids; none: all")
    device: SlugList = Field([], description="device ids, of any facility asked for; none: all")
    reason: SlugList = Field([], description="reason codes; none: all")
    from_: Instant | None = Field(None, alias="from", description="arrived then or later")
    to: End | None = Field(None, description="arrived before")
    accept: bool = Field(
        False,
        description="let entries of the reason `conflict` replace what is stored; the old value is"
        " kept in the history, hours that change are restated",
    )
    note: str | None = Field(
        None, min_length=1, max_length=200, description="why; shown with the restatement"
    )


@router.post(
    "/v1/quarantine/replay",
    summary="Try refused messages again",
    response_model=Replay,
    responses={
        202: {"model": Replay, "description": "Under way; `Location` tells how far it is"},
        **documented(NotFound),
    },
)
async def post_replay(context: InContext, who: Writer, body: ReplayBody) -> Response:
    """Take open entries through the whole way of a message once more, in the order of arrival.

    What passes leaves quarantine, what does not stays with its present reason. Ingest does it; the
    answer waits up to 5 seconds for its end. A key that is limited to facilities reaches their
    entries only.
    """
    for slug in body.facility:
        if not who.sees(slug):
            raise no_facility(slug)
    selection = Selection(
        ids=None if body.ids is None else tuple(body.ids),
        facilities=tuple(body.facility)
        or (None if who.facilities is None else tuple(who.facilities)),
        devices=tuple(body.device) or None,
        reasons=tuple(body.reason) or None,
        since=body.from_,
        until=body.to,
    )
    request_id = await run_in_threadpool(
        _submit, context.settings.database, who, selection, body.accept, body.note
    )
    until = time.monotonic() + _WAIT_S
    while (found := await _request(context, request_id)) is not None:
        if found.finished_at is not None or time.monotonic() >= until:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    if found is None:
        raise _no_replay(request_id)
    answer = json_answer(_replay(found))
    answer.headers["Location"] = f"/v1/quarantine/replay/{request_id}"
    if found.finished_at is None:
        answer.status_code = 202
        answer.headers["Retry-After"] = "1"
    return answer


@router.get(
    "/v1/quarantine/replay/{replay}",
    summary="How far a replay is",
    response_model=Replay,
    responses=documented(NotFound),
)
async def get_replay(
    context: InContext,
    who: Reader,
    replay: Annotated[int, Path(ge=1, lt=1 << 63, description="id of the replay")],
) -> Response:
    """A replay as it stands. One of facilities that the key may not see does not exist for it."""
    found = await _request(context, replay)
    if found is None or not _may_see(who, found):
        raise _no_replay(replay)
    return json_answer(_replay(found))


def _submit(
    database_url: str, who: Principal, selection: Selection, accept: bool, note: str | None
) -> int:
    # the API reads with a role that may not write; asking for a replay is an exception
    bind = engine(database_url, process="api")
    try:
        with bind.begin() as connection:
            if selection.ids is not None:
                unknown = replays.unknown_ids(connection, selection.ids, selection.facilities)
                if unknown:
                    listed = ", ".join(str(each) for each in unknown[:10])
                    raise NotFound(
                        f"There is no entry {listed} in quarantine; GET /v1/quarantine lists them."
                    )
            return replays.submit(connection, selection, accept=accept, by=who.name, note=note)
    finally:
        bind.dispose()


async def _request(context: Context, request_id: int) -> ReplayRequest | None:
    async with context.engine.connect() as connection:
        rows = await connection.execute(replays.select_request(request_id))
        row = rows.mappings().first()
    return None if row is None else replays.request(dict(row))


def _may_see(who: Principal, found: ReplayRequest) -> bool:
    if who.facilities is None:
        return True
    meant = found.selection.facilities
    return meant is not None and all(who.sees(slug) for slug in meant)


def _no_replay(request_id: int) -> NotFound:
    return NotFound(f"There is no replay {request_id}; POST /v1/quarantine/replay makes one.")


def _replay(found: ReplayRequest) -> dict[str, Any]:
    done = found.finished_at is not None
    return {
        "id": found.id,
        "state": "done" if done else "running" if found.tried else "waiting",
        "requested_at": found.requested_at,
        "requested_by": found.requested_by,
        "note": found.note,
        "accept": found.accept,
        "entries": found.entries,
        "tried": found.tried,
        "restored": found.restored,
        "accepted": found.accepted,
        "refused": dict(found.refused),
        "finished_at": found.finished_at,
    }
