"""How routes hand a body to ingest and answer with what it says, once for each key of a body."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

import msgspec
from fastapi import Header
from fastapi.responses import Response

from services.api.admission.spending import leave_place
from services.api.auth import Principal
from services.api.context import Context
from services.api.http.every_answer import request_id
from services.api.http.problems import (
    BodyTooLarge,
    Busy,
    IngestAway,
    Internal,
    InvalidRequest,
    NotConfirmed,
    Problem,
)
from services.api.languages.reader import translate
from services.core.runtime import reading_door
from services.core.runtime.reading_door import Answer, DoorClosedError, DoorLostError, Head
from services.core.store.operations import sent_readings
from services.core.store.operations.sent_readings import OtherBodyError, SentBody, StoredAnswer

#: Header of an answer that was given before.
_REPLAYED: Final = "Idempotent-Replayed"

#: What is told of a row that was refused.
_WORDS: Final = frozenset({"detail", "advice"})

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")

#: Of the time that an answer may take to begin: the rest is for saying so.
_PATIENCE: Final = 0.9

NOTHING: Final = "Ingest does not run; nothing of this was stored. Send it again in a few seconds."
_UNKNOWN: Final = (
    "Whether all of this was stored is not known. Send the same once more: what is stored already"
    " counts once."
)

#: What names a body, so that it may be sent again.
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="a name of this body, of up to 255 letters, digits and signs: for"
        f" {sent_readings.KEPT_HOURS} hours the same body with it is answered as before, and"
        " another one is refused; a body of which nothing was stored leaves the key free",
    ),
]


def _named(
    who: Principal, key: str | None, question: Head, body: Sequence[bytes]
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
    """Note that a body came; return what was answered when it came before.

    :raises InvalidRequest: its key came with another one.
    """
    try:
        return await context.database.write(
            lambda connection: sent_readings.claim(connection, body), address=who.address
        )
    except OtherBodyError:
        raise InvalidRequest(
            f"Idempotency-Key {body.key} came with another body before; give each body a key of its"
            " own. Nothing of this was stored."
        ) from None


#: Hands a body to ingest; see :func:`ask`.
Asking = Callable[[Context, Head, Sequence[bytes]], Awaitable[Answer]]


async def ask(context: Context, question: Head, body: Sequence[bytes]) -> Answer:
    """Hand a body to ingest, and wait for what it says.

    :raises IngestAway: nobody listens; nothing was stored.
    :raises NotConfirmed: no answer came; whether all was stored is not known.
    """
    settings = context.settings
    # not what a body is known by: the same one comes again under another id
    question = msgspec.structs.replace(question, request_id=request_id())
    try:
        async with asyncio.timeout(settings.api_request_timeout_s * _PATIENCE):
            return await reading_door.ask(settings.readings_door, question, body)
    except DoorClosedError:
        raise IngestAway(NOTHING) from None
    except (DoorLostError, TimeoutError):
        raise NotConfirmed(_UNKNOWN) from None


def problem(answer: Answer) -> Problem:
    """Return what an answer without an outcome for each row is."""
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


async def answered_once(
    context: Context,
    who: Principal,
    key: str | None,
    question: Head,
    body: Sequence[bytes],
    outcome: Callable[[Answer], StoredAnswer | None],
    *,
    asking: Asking = ask,
) -> Response:
    """Hand a body to ingest and answer; one that came with the same ``key`` before is not asked.

    A body that is refused whole does not use its key up: corrected, it may come with the same one.

    ``outcome``: what is stored and sent of ingest's answer; None: it has no outcome for each row.

    :raises Problem: as :func:`_named`, :func:`_earlier`, :func:`ask` and :func:`problem` say.
    """
    body_name = _named(who, key, question, body)
    if body_name is not None:
        known = await _earlier(context, who, body_name)
        if known is not None:
            return _answer_of(known, {_REPLAYED: "true"})
    # the database is not needed any more, and ingest has limits of its own
    await leave_place()
    try:
        with context.gate.sending(who.asker):
            answer = await asking(context, question, body)
        stored = outcome(answer)
        if stored is None:
            raise problem(answer)
    except NotConfirmed:
        # it may be stored: with the key nothing else can come in its place
        raise
    except Problem:
        if body_name is not None:
            await context.database.write(
                lambda connection: sent_readings.release(connection, body_name),
                address=who.address,
            )
        raise
    if body_name is not None:
        await context.database.write(
            lambda connection: sent_readings.answered(connection, body_name, stored),
            address=who.address,
        )
    return _answer_of(stored)


def _answer_of(stored: StoredAnswer, headers: dict[str, str] | None = None) -> Response:
    """Return an answer as it is stored, with what was refused in the language of who asks now."""
    answer = stored.answer
    if stored.status == 207:
        rows = msgspec.json.decode(answer)
        for refusal in rows["refusals"]:
            for words in refusal.keys() & _WORDS:
                refusal[words] = translate(refusal[words])
        answer = msgspec.json.encode(rows)
    return Response(
        answer,
        status_code=stored.status,
        media_type="application/json",
        headers=headers,
    )
