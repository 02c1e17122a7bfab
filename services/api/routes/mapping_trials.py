"""``/v1/facilities/{facility}/try``: what a file makes of a message, before it is applied."""

from __future__ import annotations

import base64
from typing import Final, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from services.api.admission.spending import leave_place
from services.api.auth import Engineer, no_facility
from services.api.context import InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import Query
from services.api.http.problems import (
    Forbidden,
    IngestAway,
    InvalidRequest,
    NotFound,
    documented,
)
from services.api.languages.reader import translate
from services.api.models.mapping_trials import MappingTrialRow
from services.api.routes.ask_ingest import ask, problem
from services.core.facility import beside
from services.core.facility.file import parse_devices
from services.core.runtime.reading_door import MappingTrial

router = APIRouter(tags=["facilities"])

#: Ingest decodes no longer messages.
_MAX_PAYLOAD_BYTES: Final = (1 << 20) - 1


class TryBody(Query):
    """Body of ``POST /v1/facilities/{facility}/try``."""

    text: str = Field(description="facility file, YAML or JSON; need not be applied")
    payload: str = Field(
        description="of one message, as text or Base64", examples=['{"ENERGY": {"Total": 12.5}}']
    )
    encoding: Literal["text", "base64"] = Field("text", description="of `payload`")
    topic: str | None = Field(
        None,
        max_length=1024,
        description="of the message; default: each topic of the file is tried",
        examples=["tele/pow1/SENSOR"],
    )
    properties: dict[str, str | list[str]] = Field(
        {},
        max_length=100,
        description="what MQTT 5 says beside the payload, by the names that mappings have for it:"
        " `content_type`, `response_topic`, `message_expiry`, and `property.NAME` for each user"
        " property",
        examples=[{"property.unit": "kWh", "content_type": "text/plain"}],
    )


@router.post(
    "/v1/facilities/{facility}/try",
    summary="Try a message with a facility file",
    response_model=list[MappingTrialRow],
    responses=documented(Forbidden, NotFound, IngestAway),
)
async def post_try(context: InContext, who: Engineer, facility: str, body: TryBody) -> Response:
    """Return what a facility file makes of a message, before it is applied: nothing is stored.

    Ingest tries it with the steps that every message goes through. Each channel has its value with
    unit and time, or why it would go to quarantine.
    """
    if not who.sees(facility):
        raise no_facility(facility)
    payload = _payload(body)
    try:
        properties = beside.stated(body.properties)
    except ValueError as error:
        raise InvalidRequest(f"properties: {error}") from None
    max_bytes = context.settings.file_bytes
    # what is wrong with the file is told as it is where one is applied
    await run_in_threadpool(lambda: parse_devices(body.text, max_bytes=max_bytes))
    text = body.text.encode()
    question = MappingTrial(
        body_bytes=len(text) + len(payload),
        file_bytes=len(text),
        topic=body.topic,
        properties=dict(properties),
    )
    await leave_place()
    answer = await ask(context, question, [text, payload])
    if answer.rows is None:
        raise problem(answer)
    return json_answer([{**row, "detail": _translated(row["detail"])} for row in answer.rows])


def _translated(detail: str | None) -> str | None:
    return None if detail is None else translate(detail)


def _payload(body: TryBody) -> bytes:
    try:
        payload = (
            body.payload.encode()
            if body.encoding == "text"
            else base64.b64decode(body.payload, validate=True)
        )
    except ValueError:
        raise InvalidRequest("payload: it is not of its encoding; send Base64 or text") from None
    if len(payload) > _MAX_PAYLOAD_BYTES:
        raise InvalidRequest(f"payload: send at most {_MAX_PAYLOAD_BYTES} bytes, as devices may")
    return payload
