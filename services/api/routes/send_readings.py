"""``POST /v1/readings``: readings that come by HTTP.

The API knows who sends them and for which facilities; what they are it does not look at. It hands
the body to ingest (:mod:`services.core.runtime.reading_door`), where they go the way of all
readings, and its login at the database can write none.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Request
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.admission.spending import leave_place
from services.api.auth import Principal, Sender, no_facility
from services.api.context import Context, InContext
from services.api.http.parameters import Query
from services.api.http.problems import (
    BodyTooLarge,
    Busy,
    IngestAway,
    Internal,
    InvalidRequest,
    NotConfirmed,
    NotFound,
    Problem,
    UnsupportedMedia,
    documented,
)
from services.api.models.sent_readings import SentReadings
from services.core.runtime import reading_door
from services.core.runtime.reading_door import (
    MEDIA_TYPES,
    Answer,
    DoorClosedError,
    DoorLostError,
    Form,
    Precision,
    Question,
    Verdicts,
)
from services.core.store.operations import sent_readings
from services.core.store.operations.sent_readings import OtherBodyError, SentBody, StoredAnswer

router = APIRouter(tags=["readings"])

#: Header of an answer that was given before.
REPLAYED: Final = "Idempotent-Replayed"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")

#: Of the time that an answer may take to begin: the rest is for saying so.
_PATIENCE: Final = 0.9

_GZIP: Final = frozenset({"gzip", "x-gzip"})

_AWAY: Final = "Ingest does not run; nothing of this was stored. Send it again in a few seconds."
_UNKNOWN: Final = (
    "Whether all of this was stored is not known. Send the same once more: what is stored already"
    " counts once."
)

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
    idempotency_key: Annotated[
        str | None,
        Header(
            description="a name of this body, of up to 255 letters, digits and signs: for"
            f" {sent_readings.KEPT_HOURS} hours the same body with it is answered as before, and"
            " another one is refused",
        ),
    ] = None,
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
    named = _named(who, idempotency_key, question, body)
    if named is not None:
        earlier = await _earlier(context, who, named)
        if earlier is not None:
            return _answer(earlier, {REPLAYED: "true"})
    # the database is not needed any more, and ingest has limits of its own
    await leave_place()
    with context.gate.sending(who.asker):
        answer = await _answered(context, question, body)
    if answer.verdicts is None:
        raise _problem(answer)
    stored = _stored(context, who, answer.verdicts)
    if named is not None:
        await context.database.write(
            lambda connection: sent_readings.answered(connection, named, stored),
            address=who.address,
        )
    return _answer(stored)


def _named(
    who: Principal, key: str | None, question: Question, body: list[bytes]
) -> SentBody | None:
    """Return a body by the key that came with it; None: none did.

    :raises InvalidRequest: it is no key.
    """
    if key is None:
        return None
    if not _KEY.match(key):
        raise InvalidRequest(
            "Idempotency-Key: send 1 to 255 letters, digits and signs without blanks, such as a"
            " UUID"
        )
    digest = hashlib.sha256(msgspec.json.encode(question))
    for part in body:
        digest.update(part)
    credential = who.credential
    by_key = credential is not None and credential.kind == "key"
    sender = f"key {credential.id}" if credential is not None and by_key else who.name
    return SentBody(sender=sender, key=key, digest=digest.digest())


async def _earlier(context: Context, who: Principal, body: SentBody) -> StoredAnswer | None:
    try:
        return await context.database.write(
            lambda connection: sent_readings.claim(connection, body), address=who.address
        )
    except OtherBodyError:
        raise InvalidRequest(
            f"Idempotency-Key {body.key} came with another body before; give each body a key of its"
            " own. Nothing of this was stored."
        ) from None


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
    charset = parameters.lower().partition("charset=")[2].strip(' "')
    if charset and charset not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMedia("The charset of Content-Type is not UTF-8; send UTF-8.")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity", *_GZIP}:
        raise UnsupportedMedia(
            f"Content-Encoding is {encoding[:80]}; send gzip, or leave it out.",
            headers={"Accept-Encoding": "gzip"},
        )
    return form, encoding in _GZIP


async def _answered(context: Context, question: Question, body: list[bytes]) -> Answer:
    settings = context.settings
    try:
        async with asyncio.timeout(settings.api_request_timeout_s * _PATIENCE):
            return await reading_door.ask(settings.readings_door, question, body)
    except DoorClosedError:
        raise IngestAway(_AWAY) from None
    except (DoorLostError, TimeoutError):
        raise NotConfirmed(_UNKNOWN) from None


def _problem(answer: Answer) -> Problem:
    detail = f"{answer.detail[:1].upper()}{answer.detail[1:]}."
    if answer.outcome == "too-large":
        return BodyTooLarge(detail)
    if answer.outcome == "busy":
        return Busy(f"{detail} Nothing of this was stored; send it again in a few seconds.")
    if answer.outcome == "unable":
        return IngestAway(f"{detail} Nothing of this was stored; send it again in a few seconds.")
    if answer.outcome == "failed":
        return Internal(f"{detail} Nothing of this was stored; report it with the body.")
    return InvalidRequest(f"{detail} Nothing of this was stored.")


def _stored(context: Context, who: Principal, verdicts: Verdicts) -> StoredAnswer:
    number = verdicts.new + verdicts.repeated + verdicts.replaced + verdicts.refused
    context.gate.brought(who.asker, number)
    return StoredAnswer(
        status=207 if verdicts.refused else 200, answer=msgspec.json.encode(verdicts)
    )


def _answer(stored: StoredAnswer, headers: dict[str, str] | None = None) -> Response:
    return Response(
        stored.answer,
        status_code=stored.status,
        media_type="application/json",
        headers=headers,
    )
