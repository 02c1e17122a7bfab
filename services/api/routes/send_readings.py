"""``POST /v1/readings``: readings that come by HTTP.

The API knows who sends them and for which facilities; what they are it does not look at. It hands
the body to ingest (:mod:`services.core.runtime.reading_door`), where they go the way of all
readings, and its login at the database can write none.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Principal, Sender, no_facility
from services.api.context import Context, InContext, home_context
from services.api.http.parameters import Query
from services.api.http.problems import (
    BodyTooLarge,
    IngestAway,
    NotConfirmed,
    NotFound,
    UnsupportedMedia,
    documented,
)
from services.api.models.sent_readings import SentReadings
from services.api.routes.ask_ingest import IdempotencyKey, answered_once
from services.api.routes.ask_ingests import asking_of
from services.core.runtime.reading_door import (
    MEDIA_TYPES,
    Form,
    Precision,
    Question,
    Verdicts,
)
from services.core.store.operations.sent_readings import StoredAnswer

router = APIRouter(tags=["readings"])

_GZIP: Final = frozenset({"gzip", "x-gzip"})

_RECORDS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "description": "as devices send them, `ts` and `values`, with facility and device beside;"
        " or rows as `GET /v1/readings` gives them: `time`, `channel`, `value`, `unit`, `quality`",
        "properties": {
            "facility": {"type": "string"},
            "device": {"type": "string"},
            "ts": {
                "type": ["string", "number"],
                "description": "RFC 3339 with an offset, epoch seconds or epoch milliseconds",
            },
            "values": {
                "type": "object",
                "description": 'by channel a number, null, or {"v": number, "u": unit, "q":'
                " quality}",
            },
        },
    },
}

_TEXT: Final = {"type": "string"}
_BINARY: Final = {"type": "string", "format": "binary"}

_BODIES: Final[dict[str, Any]] = {
    "application/json": {
        "schema": _RECORDS,
        "example": [
            {
                "facility": "linz",
                "device": "cems-1",
                "ts": "2026-11-23T18:00:00Z",
                "values": {"co2": {"v": 12.5, "u": "%"}, "flow": 101234},
            }
        ],
    },
    "application/x-ndjson": {
        "schema": _TEXT,
        "example": '{"facility": "linz", "device": "meter-grid", "ts": 1795456800, "values":'
        ' {"import-power": 412.5}}\n',
    },
    "application/senml+json": {
        "schema": {"type": "array", "items": {"type": "object"}},
        "example": [
            {"bn": "linz/meter-grid/", "bt": 1795456800, "n": "import-power", "u": "W", "v": 412500}
        ],
    },
    "application/senml+cbor": {"schema": _BINARY},
    "text/csv": {
        "schema": _TEXT,
        "example": "time,facility,device,channel,value,unit\n"
        "2026-11-23T18:00:00Z,linz,meter-grid,import-power,412.5,kW\n",
    },
    "text/plain": {
        "schema": _TEXT,
        "example": "grid,facility=linz,device=meter-grid import-power=412.5 1795456800000000000\n",
    },
    "application/vnd.apache.arrow.stream": {"schema": _BINARY},
}


class SendQuery(Query):
    """Parameters of ``POST /v1/readings``."""

    facility: str | None = Field(
        None, description="facility of records that name none", examples=["linz"]
    )
    device: str | None = Field(
        None, description="device of records that name none", examples=["meter-grid"]
    )
    channel: str | None = Field(
        None, description="channel of rows that name none", examples=["import-power"]
    )
    precision: Precision = Field("ns", description="of the times of line protocol")


@router.post(
    "/v1/readings",
    summary="Send readings",
    response_model=SentReadings,
    responses={
        200: {"description": "All of it is stored and durable."},
        207: {
            "model": SentReadings,
            "description": "Some of it was refused: `refusals` says what, why, and what to do. The"
            " rest is stored and durable.",
        },
        **documented(NotFound, BodyTooLarge, UnsupportedMedia, IngestAway, NotConfirmed),
    },
    openapi_extra={"requestBody": {"required": True, "content": _BODIES}},
)
async def post_readings(
    request: Request,
    context: InContext,
    who: Sender,
    query: Annotated[SendQuery, FromQuery()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Store readings; the answer comes when they are durable.

    They are checked as those that come by a broker. A reading is known by its channel and time:
    sending one again changes nothing, so that a body whose answer was lost is simply sent again.
    What cannot be stored is in quarantine, and `refusals` lists it. `Content-Encoding: gzip` is
    understood. A body may hold 100 000 records.
    """
    if query.facility is not None and not who.sees(query.facility):
        raise no_facility(query.facility)
    form, is_gzip = _form(request)
    context.gate.try_readings(who.asker)
    body = [part async for part in request.stream() if part]
    question = Question(
        form=form,
        body_bytes=sum(map(len, body)),
        is_gzip=is_gzip,
        facilities=None if who.facilities is None else sorted(who.facilities),
        facility=query.facility,
        device=query.device,
        channel=query.channel,
        precision=query.precision,
    )
    return await answered_once(
        context,
        who,
        idempotency_key,
        question,
        body,
        lambda answer: _outcome(context, who, answer.verdicts),
        asking=asking_of(home_context(request).cells),
    )


def _form(request: Request) -> tuple[Form, bool]:
    """Return the form of a request's body, and whether it is compressed with gzip.

    :raises UnsupportedMedia: no such body is taken.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    form = MEDIA_TYPES.get(media_type.strip().lower())
    if form is None:
        named = media_type.strip()[:80] or "none"
        raise UnsupportedMedia(
            f"Content-Type is {named}; send one of {', '.join(MEDIA_TYPES)}.",
            headers={"Accept-Post": ", ".join(MEDIA_TYPES)},
        )
    charset = _charset(parameters)
    if charset and charset not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMedia("The charset of Content-Type is not UTF-8; send UTF-8.")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity", *_GZIP}:
        raise UnsupportedMedia(
            f"Content-Encoding is {encoding[:80]}; send gzip, or leave it out.",
            headers={"Accept-Encoding": "gzip"},
        )
    return form, encoding in _GZIP


def _charset(parameters: str) -> str:
    """Return what the parameters of a media type say of it; nothing: they say none."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'").lower()
    return ""


def _outcome(context: Context, who: Principal, verdicts: Verdicts | None) -> StoredAnswer | None:
    if verdicts is None:
        return None
    number = verdicts.new + verdicts.repeated + verdicts.replaced + verdicts.refused
    context.gate.brought(who.asker, number)
    return StoredAnswer(
        status=207 if verdicts.refused else 200, answer=msgspec.json.encode(verdicts)
    )
