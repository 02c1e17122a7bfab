"""``POST /v1/facilities/{facility}/activities``: amounts of bills, deliveries, trips and refills.

The API's login can store no reading: ingest stores them, as ``tonne activities import`` does.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Engineer, in_force
from services.api.context import InContext
from services.api.http.parameters import Query
from services.api.http.problems import (
    BodyTooLarge,
    Forbidden,
    IngestAway,
    InvalidRequest,
    NotConfirmed,
    NotFound,
    documented,
)
from services.api.languages.reader import translate
from services.api.models.activities import TakenActivities
from services.api.routes.ask_ingest import IdempotencyKey, answered_once
from services.core.runtime.reading_door import Answer
from services.core.runtime.stated_activities import MAX_ENTRIES, StatedActivities
from services.core.store.operations.sent_readings import StoredAnswer

router = APIRouter(tags=["imports"])

_ANSWERS: Final = documented(NotFound, Forbidden, BodyTooLarge, IngestAway, NotConfirmed)


class SentActivity(Query):
    """An amount of a period."""

    id: str = Field(
        min_length=1,
        max_length=200,
        description="number of the bill or entry: unique within the facility, and counts once",
        examples=["B-2026-017"],
    )
    channel: str = Field(
        max_length=127,
        description="`device.channel`, of kind `event`",
        examples=["books.heat"],
    )
    from_: dt.date = Field(
        alias="from", description="first day of the period", examples=["2026-01-01"]
    )
    to: dt.date | None = Field(
        None,
        description="first day after the period; default: it is of one day",
        examples=["2026-02-01"],
    )
    amount: float = Field(examples=[3100], allow_inf_nan=False)
    unit: str | None = Field(
        None, max_length=40, description="default: the channel's", examples=["kWh"]
    )
    document: str | None = Field(
        None, max_length=2000, description="where it is shown", examples=["bills/2026-017.pdf"]
    )


class ActivitiesBody(Query):
    """Body of ``POST /v1/facilities/{facility}/activities``."""

    activities: list[SentActivity] = Field(min_length=1, max_length=MAX_ENTRIES)


@router.post(
    "/v1/facilities/{facility}/activities",
    summary="Send amounts of bills and the like",
    response_model=TakenActivities,
    responses=_ANSWERS,
)
async def post_activities(
    context: InContext,
    who: Engineer,
    facility: str,
    body: ActivitiesBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Store amounts of periods, spread over their days, or by the channel's `profile` over hours.

    All are stored, or none while one of them is wrong: `errors` says which, by its index, and why.
    The same id with the same amount again changes nothing.
    """
    await in_force(context, who, facility)
    rows = [
        msgspec.json.encode(
            [
                one.model_dump(mode="json", by_alias=True, exclude_none=True)
                for one in body.activities
            ]
        )
    ]
    question = StatedActivities(
        body_bytes=len(rows[0]), facility=facility, by=who.name, address=who.address
    )
    return await answered_once(context, who, idempotency_key, question, rows, _outcome)


def _outcome(answer: Answer) -> StoredAnswer | None:
    taken = answer.activities
    if taken is None:
        return None
    if taken.wrong:
        raise InvalidRequest(
            "Some of the activities are wrong, and none is stored: `errors` says which and why.",
            errors=[
                {"index": wrong.index, "detail": translate(wrong.detail)} for wrong in taken.wrong
            ],
        )
    return StoredAnswer(
        status=200,
        answer=msgspec.json.encode({"stored": taken.stored, "present": taken.present}),
    )
