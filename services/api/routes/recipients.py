"""``/v1/facilities/{facility}/recipients``: whom alerts are sent to, and whether they arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter
from fastapi import Query as FromQuery
from fastapi.responses import Response
from pydantic import Field

from services.api.auth import Engineer, in_force
from services.api.context import InContext
from services.api.http.answers import Accept, json_answer, rows_answer
from services.api.http.formats import TextFormat
from services.api.http.parameters import Query
from services.api.http.problems import (
    Conflict,
    FacilityRetired,
    Forbidden,
    NotFound,
    documented,
)
from services.api.http.shapes import Shape
from services.api.languages.reader import translate
from services.api.models.recipients import RecipientKind, RecipientRow, TestedRecipient
from services.core.facility.recipients import kind_of, shown
from services.core.store.alerts import outbox
from services.core.store.alerts.outbox import Entry, SentTest
from services.core.store.database.connect import driver_connection

router = APIRouter(tags=["alerts"])

_RECIPIENTS, _TESTED = Shape(RecipientRow), Shape(TestedRecipient)
#: How long a call waits until all recipients accept its message.
_WAIT_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.1


class RecipientsQuery(Query):
    """Parameters of ``GET /v1/facilities/{facility}/recipients``."""

    format: TextFormat = None


@router.get(
    "/v1/facilities/{facility}/recipients",
    summary="List recipients of alerts",
    response_model=list[RecipientRow],
    responses=_RECIPIENTS.documented(
        "Rows in the file's order. JSON or, with `Accept: text/csv`, CSV.",
        Forbidden,
        NotFound,
        FacilityRetired,
    ),
)
async def get_recipients(
    context: InContext,
    who: Engineer,
    facility: str,
    query: Annotated[RecipientsQuery, FromQuery()],
    accept: Accept = "",
) -> Response:
    """List whom the facility's file has notified, and whether messages wait for them."""
    await in_force(context, who, facility)
    listed = await context.database.read_in_thread(lambda raw: outbox.recipients(raw, facility))
    rows = [
        _RECIPIENTS.row(
            recipient, kind=kind_of(recipient.target), recipient=shown(recipient.target)
        )
        for recipient in listed or ()
    ]
    return rows_answer(rows, _RECIPIENTS, accept=accept, name=query.format)


class SentTestBody(Query):
    """Body of ``POST /v1/facilities/{facility}/recipients/test``."""

    kinds: list[RecipientKind] = Field(
        [], description="only recipients of these kinds; none: all", examples=[["webhook"]]
    )


@router.post(
    "/v1/facilities/{facility}/recipients/test",
    summary="Send a test message to recipients",
    response_model=list[TestedRecipient],
    responses=documented(Forbidden, NotFound, Conflict, FacilityRetired),
)
async def post_test(
    context: InContext, who: Engineer, facility: str, body: SentTestBody | None = None
) -> Response:
    """Send a test message to recipients of the facility, and say who accepted it.

    The notifier sends it; the call waits up to 10 seconds, and what nobody accepted by then is
    given up. It is the same as `tonne alerts test`.
    """
    await in_force(context, who, facility)
    kinds = [] if body is None else body.kinds
    message = await context.database.write(
        lambda connection: _send(driver_connection(connection), facility, kinds, who.name),
        address=who.address,
    )
    if message is None or not message.targets:
        return json_answer([])
    until = time.monotonic() + _WAIT_S
    while any(entry.delivered_at is None for entry in await _entries(context, message)):
        if time.monotonic() >= until:
            await context.database.write(
                lambda connection: outbox.abandon_test(driver_connection(connection), message),
                address=who.address,
            )
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    return json_answer([_outcome(entry) for entry in await _entries(context, message)])


def _send(
    connection: psycopg.Connection[Any], facility: str, kinds: Sequence[str], by: str
) -> SentTest | None:
    outbox.refuse_without_notifier(connection)
    return outbox.enqueue_test(connection, facility, kinds=kinds, by=by)


async def _entries(context: InContext, message: SentTest) -> list[Entry]:
    return await context.database.read_in_thread(lambda raw: outbox.entries_of_test(raw, message))


def _outcome(entry: Entry) -> dict[str, Any]:
    delivered = entry.delivered_at is not None
    return _TESTED.row(
        entry,
        kind=kind_of(entry.target),
        recipient=shown(entry.target),
        delivered=delivered,
        took_s=(entry.delivered_at - entry.created_at).total_seconds()
        if entry.delivered_at is not None
        else None,
        reason=None if delivered else translate(entry.reason or "no answer"),
    )
