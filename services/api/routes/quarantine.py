"""``/v1/quarantine``: what was refused, with its raw bytes and what to do about it."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Reader, visible_facilities
from services.api.context import InContext
from services.api.http import cursors
from services.api.http.answers import json_answer, next_link
from services.api.http.parameters import End, Instant, Query, SlugList
from services.api.http.problems import NotFound, documented
from services.api.models.models import QuarantineRow
from services.core.store.readings.chart import QUALITIES
from services.core.store.readings.quarantine import QuarantineItem, item, select_page

router = APIRouter(tags=["quarantine"])

#: Of a larger payload, this much is shown; `payload_bytes` tells its size.
_SHOWN_BYTES = 16 * 1024

State = Literal["open", "replayed", "accepted", "discarded"]


class QuarantineQuery(Query):
    """Parameters of ``GET /v1/quarantine``."""

    facility: SlugList = Field(
        [], description="facility ids, as far as one could be read from the message; none: all"
    )
    device: SlugList = Field([], description="device ids, of any facility asked for; none: all")
    reason: SlugList = Field([], description="reason codes; none: all", examples=[["conflict"]])
    state: State | Literal["all"] = Field("open", description="`all`: settled ones too")
    from_: Instant | None = Field(
        None, alias="from", description="arrived then or later", examples=["2026-11-22T18:00:00Z"]
    )
    to: End | None = Field(None, description="arrived before", examples=["2026-11-23T18:00:00Z"])
    limit: int = Field(100, ge=1, le=1000, description="most rows in the answer")
    cursor: str | None = Field(
        None, description="where the last answer ended, from its `Link` header"
    )


@router.get(
    "/v1/quarantine",
    summary="What was refused",
    response_model=list[QuarantineRow],
    responses=documented(NotFound),
)
async def get_quarantine(
    context: InContext, who: Reader, query: Annotated[QuarantineQuery, FromQuery()]
) -> Response:
    """The newest first. A key that is limited to facilities sees what names one of them."""
    facilities = list(query.facility)
    if who.facilities is not None:
        found = await visible_facilities(context, who, facilities)
        facilities = [row.slug for row in found]
        if not facilities:
            return json_answer([])
    statement = select_page(
        limit=query.limit + 1,
        before_id=None if query.cursor is None else cursors.number(query.cursor),
        states=() if query.state == "all" else (query.state,),
        reasons=query.reason,
        facilities=facilities,
        devices=query.device,
        since=query.from_,
        until=query.to,
        payload_bytes=_SHOWN_BYTES,
    )
    async with context.engine.connect() as connection:
        rows = [item(dict(row)) for row in (await connection.execute(statement)).mappings()]
    answer = json_answer([_row(row) for row in rows[: query.limit]])
    if len(rows) > query.limit:
        given = query.model_dump(exclude_unset=True, exclude={"cursor"}, by_alias=True, mode="json")
        given["cursor"] = rows[query.limit - 1].id
        answer.headers["Link"] = next_link("/v1/quarantine", **given)
    return answer


def _quality(code: int | None) -> str | None:
    return None if code is None else QUALITIES[code]


def _row(refused: QuarantineItem) -> dict[str, Any]:
    text, encoded = _readable(refused.payload)
    return {
        "id": refused.id,
        "time": refused.received_at,
        "reason": refused.reason,
        "detail": refused.detail,
        "topic": refused.topic,
        "facility": refused.facility,
        "device": refused.device,
        "channel": refused.channel,
        "ts": refused.ts,
        "value": refused.value,
        "stored_value": refused.stored_value,
        "quality": _quality(refused.quality),
        "stored_quality": _quality(refused.stored_quality),
        "state": refused.state,
        "settled_at": refused.settled_at,
        "payload": text,
        "payload_base64": encoded,
        "payload_bytes": refused.payload_bytes,
    }


def _readable(payload: bytes) -> tuple[str | None, str | None]:
    """The payload as text, or in base64 if it is none."""
    try:
        return payload.decode(), None
    except UnicodeDecodeError as error:
        # a text that was cut within its last character is still a text
        if len(payload) == _SHOWN_BYTES and error.start > len(payload) - 4:
            return payload[: error.start].decode(), None
        return None, base64.b64encode(payload).decode()
