"""``/v1/quarantine/replay``: process quarantined messages again."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection

from services.api.auth import Operator, Principal, Reader, no_facility
from services.api.context import Context, InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import End, Instant, Query, ReasonList, SlugList
from services.api.http.problems import NotFound, documented
from services.api.http.shapes import Shape
from services.api.models.quarantine import Replay
from services.core.store.readings import replays
from services.core.store.readings.replays import ReplayRequest, Selection

router = APIRouter(tags=["quarantine"])

#: How long a call waits for the end of its replay.
_WAIT_S = 5.0
_LOOK_EVERY_S = 0.1

_BODY = Shape(Replay)

EntryId = Annotated[int, Field(ge=1, lt=1 << 63)]


class ReplayBody(Query):
    """Which entries to replay: by id, by other properties, or both; by default all."""

    ids: list[EntryId] | None = Field(
        None, min_length=1, max_length=10_000, description="entry ids, from GET /v1/quarantine"
    )
    facility: SlugList = Field([], description="facility ids; none: all")
    device: SlugList = Field([], description="device ids, in any selected facility; none: all")
    reason: ReasonList = Field([], description="reason codes; none: all")
    from_: Instant | None = Field(None, alias="from", description="arrived at this time or later")
    to: End | None = Field(None, description="arrived before this time")
    accept: bool = Field(
        False,
        description="let entries with the reason `conflict` replace the stored values; the history"
        " keeps the old values, and hours that change are restated",
    )
    note: str | None = Field(
        None, min_length=1, max_length=200, description="reason, shown with the restatement"
    )


@router.post(
    "/v1/quarantine/replay",
    summary="Replay quarantined messages",
    response_model=Replay,
    responses={
        202: {
            "model": Replay,
            "description": "In progress; `Location` is the address of its state",
        },
        **documented(NotFound),
    },
)
async def post_replay(context: InContext, who: Operator, body: ReplayBody) -> Response:
    """Process open entries again, in the order of arrival.

    Entries that pass leave quarantine; the others stay, with their present reason. Ingest does the
    work; the call waits up to 5 seconds for the result. A key that is limited to facilities only
    reaches their entries.
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
    request_id = await context.database.write(
        lambda connection: _submit(connection, who, selection, body), address=who.address
    )
    until = time.monotonic() + _WAIT_S
    while (request := await _request(context, request_id)) is not None:
        if request.finished_at is not None or time.monotonic() >= until:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    if request is None:
        raise _no_replay(request_id)
    answer = json_answer(_replay(request))
    answer.headers["Location"] = f"/v1/quarantine/replay/{request_id}"
    if request.finished_at is None:
        answer.status_code = 202
        answer.headers["Retry-After"] = "1"
    return answer


@router.get(
    "/v1/quarantine/replay/{replay}",
    summary="Get a replay",
    response_model=Replay,
    responses=documented(NotFound),
)
async def get_replay(
    context: InContext,
    who: Reader,
    replay: Annotated[int, Path(ge=1, lt=1 << 63, description="replay id")],
) -> Response:
    """Return the state of a replay, if the key can see all its facilities."""
    request = await _request(context, replay)
    if request is None or not _may_see(who, request):
        raise _no_replay(replay)
    return json_answer(_replay(request))


def _submit(connection: Connection, who: Principal, selection: Selection, body: ReplayBody) -> int:
    if selection.ids is not None and (
        unknown := replays.unknown_ids(connection, selection.ids, selection.facilities)
    ):
        listed = ", ".join(str(entry_id) for entry_id in unknown[:10])
        raise NotFound(
            f"There is no entry {listed} in quarantine; GET /v1/quarantine lists entries."
        )
    return replays.submit(connection, selection, accept=body.accept, by=who.name, note=body.note)


async def _request(context: Context, request_id: int) -> ReplayRequest | None:
    async with context.database.read() as connection:
        rows = await connection.execute(replays.select_request(request_id))
        row = rows.mappings().first()
    return None if row is None else replays.request(dict(row))


def _may_see(who: Principal, request: ReplayRequest) -> bool:
    if who.facilities is None:
        return True
    meant = request.selection.facilities
    return meant is not None and all(who.sees(slug) for slug in meant)


def _no_replay(request_id: int) -> NotFound:
    return NotFound(f"There is no replay {request_id}; POST /v1/quarantine/replay creates one.")


def _replay(request: ReplayRequest) -> dict[str, Any]:
    done = request.finished_at is not None
    return _BODY.row(
        request,
        state="done" if done else "running" if request.tried else "waiting",
        refused=dict(request.refused),
    )
