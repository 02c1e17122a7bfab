"""``/v1/facilities/{facility}/activities``: amounts of bills, deliveries, trips and refills.

The API's login can store no reading, and discard none: ingest does, as ``tonne activities`` does.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import BeforeValidator, Field

from services.api.auth import Engineer, Reader, in_force, retired_header, seen_facilities
from services.api.context import InContext
from services.api.http.answers import Accept, rows_answer
from services.api.http.cursors import Cursor
from services.api.http.formats import TextFormat
from services.api.http.pages import CursorText, Pages, RowLimit
from services.api.http.parameters import Query, StatedReason, split_list
from services.api.http.problems import (
    BodyTooLarge,
    Conflict,
    Forbidden,
    IngestAway,
    InvalidRequest,
    Malformed,
    NotConfirmed,
    NotFound,
    documented,
)
from services.api.http.shapes import Shape
from services.api.languages.reader import translate
from services.api.models.activities import ActivityRow, TakenActivities, WithdrawnActivity
from services.api.routes.ask_ingest import IdempotencyKey, answered_once
from services.core.runtime.reading_door import Answer
from services.core.runtime.stated_activities import MAX_ENTRIES, StatedActivities
from services.core.runtime.stated_activities import WithdrawnActivity as Withdrawal
from services.core.store.answers.activities import Place, activities
from services.core.store.operations.sent_readings import StoredAnswer
from services.core.store.readings.activities import ListedEntry

router = APIRouter(tags=["imports"])

_ADDRESS: Final = "/v1/facilities/{facility}/activities"

_ROWS = Shape(ActivityRow)

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


class ActivitiesQuery(Query):
    """Parameters of ``GET /v1/facilities/{facility}/activities``."""

    channel: Annotated[list[str], BeforeValidator(split_list)] = Field(
        [], description="channels as `device.channel`; none: all", examples=[["books.heat"]]
    )
    from_: dt.date | None = Field(
        None, alias="from", description="those that reach beyond the begin of this day"
    )
    to: dt.date | None = Field(None, description="those that begin before this day")
    withdrawn: bool | None = Field(
        None, description="`true`: those that were withdrawn, `false`: those that count; none: all"
    )
    limit: RowLimit = 1000
    cursor: CursorText = None
    format: TextFormat = None


@router.get(
    _ADDRESS,
    summary="List amounts of bills and the like",
    response_model=list[ActivityRow],
    responses=_ROWS.documented(
        "Rows by day and id. JSON or, with `Accept: text/csv`, CSV.", NotFound
    ),
)
async def get_activities(
    context: InContext,
    who: Reader,
    facility: str,
    query: Annotated[ActivitiesQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List amounts as they were given, with who gave them, and what was withdrawn and why."""
    pages: Pages[ListedEntry, Place] = Pages(
        f"/v1/facilities/{facility}/activities",
        Cursor(Place),
        lambda entry: Place(entry.first_day.toordinal(), entry.id),
    )
    after = pages.after(query)
    if after is not None and after.day > dt.date.max.toordinal():
        raise Malformed("cursor: take it from the `Link` header of an answer")
    async with context.database.read() as connection:
        (shown,) = await seen_facilities(connection, context, who, [facility])
        listed = await activities(
            connection,
            shown.id,
            channels=query.channel,
            begins=query.from_,
            ends=query.to,
            is_withdrawn=query.withdrawn,
            after=after,
            limit=query.limit + 1,
        )
    page = pages.page(listed, query)
    return rows_answer(
        [_ROWS.row(entry, **{"from": entry.first_day}, to=entry.end_day) for entry in page.rows],
        _ROWS,
        accept=accept,
        name=query.format,
        headers={**page.headers, **retired_header([shown], [facility])},
    )


class WithdrawBody(Query):
    """Body of ``POST /v1/facilities/{facility}/activities/withdraw``."""

    id: str = Field(
        min_length=1,
        max_length=200,
        description="number of the bill or entry",
        examples=["B-2026-017"],
    )
    reason: StatedReason = Field(
        description="why, shown with the totals that are restated",
        examples=["comma slipped"],
    )


@router.post(
    f"{_ADDRESS}/withdraw",
    summary="Withdraw an amount",
    response_model=WithdrawnActivity,
    responses=documented(NotFound, Forbidden, Conflict, BodyTooLarge, IngestAway, NotConfirmed),
)
async def post_activity_withdrawal(
    context: InContext,
    who: Engineer,
    facility: str,
    body: WithdrawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take back an amount that is wrong: it counts no more, and stays in the list as withdrawn.

    Its id stays used: what is right is sent under another one. The hours that it was in are
    restated with the reason, and `as_of` knows what was counted before.
    """
    async with context.database.read() as connection:
        await seen_facilities(connection, context, who, [facility])
    question = Withdrawal(
        facility=facility, entry=body.id, reason=body.reason, by=who.name, address=who.address
    )

    def outcome(answer: Answer) -> StoredAnswer | None:
        if answer.outcome == "missing":
            raise NotFound(f"There is no activity {body.id!r} of {facility}.")
        if answer.outcome == "conflict":
            raise Conflict(f"The activity {body.id!r} of {facility} was withdrawn before.")
        if answer.withdrawn is None:
            return None
        return StoredAnswer(
            status=200,
            answer=msgspec.json.encode({"id": body.id, "readings": answer.withdrawn}),
        )

    return await answered_once(context, who, idempotency_key, question, [], outcome)


@router.post(
    _ADDRESS,
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
