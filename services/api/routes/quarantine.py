"""``/v1/quarantine``: refused messages with their raw bytes and what to do about them."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.auth import Reader, asked_slugs, no_facility
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages
from services.api.http.parameters import End, Instant, Query, ReasonList, SlugList
from services.api.http.problems import NotFound
from services.api.http.shapes import Shape
from services.api.languages.reader import translate
from services.api.models.quarantine import QuarantineRow
from services.core.store.readings.chart import QUALITIES
from services.core.store.readings.quarantine import QuarantineItem, item, select_page

router = APIRouter(tags=["quarantine"])

#: The beginning of a larger payload is shown; `payload_bytes` is its size.
_SHOWN_BYTES = 16 * 1024

State = Literal["open", "replayed", "accepted", "discarded", "all"]


class QuarantineQuery(Query):
    """Parameters of ``GET /v1/quarantine``."""

    facility: SlugList = Field(
        [], description="facility ids, where one could be read from the message; none: all"
    )
    device: SlugList = Field([], description="device ids, in any selected facility; none: all")
    reason: ReasonList = Field([], description="reason codes; none: all", examples=[["conflict"]])
    state: State = Field("open", description="`all`: settled entries too")
    from_: Instant | None = Field(
        None,
        alias="from",
        description="arrived at this time or later",
        examples=["2026-11-22T18:00:00Z"],
    )
    to: End | None = Field(
        None, description="arrived before this time", examples=["2026-11-23T18:00:00Z"]
    )
    limit: int = Field(100, ge=1, le=1000, description="maximum number of rows")
    cursor: CursorText = None
    format: TextFormat = None


class _Place(NamedTuple):
    id: int


_ROWS = Shape(QuarantineRow)
_PAGES: Pages[QuarantineItem, _Place] = Pages(
    "/v1/quarantine", Cursor(_Place), lambda row: _Place(row.id)
)


@router.get(
    "/v1/quarantine",
    summary="List quarantined messages",
    response_model=list[QuarantineRow],
    responses=_ROWS.documented(
        "Rows, newest first. JSON or, with `Accept: text/csv`, CSV.", NotFound
    ),
)
async def get_quarantine(
    context: InContext,
    who: Reader,
    query: Annotated[QuarantineQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List quarantine entries, newest first.

    A key that is limited to facilities sees the entries that name one of them.
    """
    after = _PAGES.after(query)
    for slug in query.facility:
        if not who.sees(slug):
            raise no_facility(slug)
    statement = select_page(
        limit=query.limit + 1,
        before_id=None if after is None else after.id,
        states=() if query.state == "all" else (query.state,),
        reasons=query.reason,
        facilities=asked_slugs(who, query.facility),
        devices=query.device,
        since=query.from_,
        until=query.to,
        payload_bytes=_SHOWN_BYTES,
    )
    async with context.database.read() as connection:
        rows = [item(dict(row)) for row in (await connection.execute(statement)).mappings()]
    listed = _PAGES.page(rows, query)
    return rows_answer(
        # a detail takes milliseconds to translate, in which others are to be answered
        await run_in_threadpool(lambda: [_row(row) for row in listed.rows]),
        _ROWS,
        accept=accept,
        name=query.format,
        headers=listed.headers,
    )


def _quality(code: int | None) -> str | None:
    return None if code is None else QUALITIES[code]


def _row(refused: QuarantineItem) -> dict[str, Any]:
    text, encoded = _readable(refused.payload)
    return _ROWS.row(
        refused,
        time=refused.received_at,
        detail=translate(refused.detail),
        quality=_quality(refused.quality),
        stored_quality=_quality(refused.stored_quality),
        payload=text,
        payload_base64=encoded,
    )


def _readable(payload: bytes) -> tuple[str | None, str | None]:
    """Return the payload as text or, if it is not text, in base64."""
    try:
        return payload.decode(), None
    except UnicodeDecodeError as error:
        # a text cut within its last character is still a text
        if len(payload) == _SHOWN_BYTES and error.start > len(payload) - 4:
            return payload[: error.start].decode(), None
        return None, base64.b64encode(payload).decode()
