"""Answers to bodies of readings that came with a key: the same body hears the same again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

#: How long an answer is kept.
KEPT_HOURS: Final = 24

_FORGET: Final = text(
    f"DELETE FROM sent_readings WHERE made_at < now() - interval '{KEPT_HOURS} hours'"  # noqa: S608 - a constant
)
_CLAIM: Final = text(
    "INSERT INTO sent_readings (sender, key, digest) VALUES (:sender, :key, :digest)"
    " ON CONFLICT (sender, key) DO NOTHING"
)
_READ: Final = text(
    "SELECT digest, status, answer FROM sent_readings WHERE sender = :sender AND key = :key"
)
#: Another request with the same body may have given the key up since.
_ANSWER: Final = text(
    "INSERT INTO sent_readings AS s (sender, key, digest, status, answer)"
    " VALUES (:sender, :key, :digest, :status, :answer)"
    " ON CONFLICT (sender, key) DO UPDATE SET status = :status, answer = :answer"
    " WHERE s.digest = :digest"
)
_RELEASE: Final = text(
    "DELETE FROM sent_readings"
    " WHERE sender = :sender AND key = :key AND digest = :digest AND status IS NULL"
)


class OtherBodyError(ValueError):
    """The key came with another body before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentBody:
    """A body, by the key that its sender gave it."""

    sender: str
    key: str
    #: SHA-256 of all that an answer follows from
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnswer:
    """What was answered."""

    status: int
    #: JSON
    answer: bytes


def claim(connection: Connection, body: SentBody) -> StoredAnswer | None:
    """Note that a body came; return what was answered when it came before.

    None: it is new, or its answer got lost before it was sent. Runs in the caller's transaction.

    :raises OtherBodyError: the key came with another body.
    """
    connection.execute(_FORGET)
    connection.execute(_CLAIM, {"sender": body.sender, "key": body.key, "digest": body.digest})
    digest, status, answer = connection.execute(
        _READ, {"sender": body.sender, "key": body.key}
    ).one()
    if bytes(digest) != body.digest:
        raise OtherBodyError
    return None if status is None else StoredAnswer(status=status, answer=bytes(answer))


def answered(connection: Connection, body: SentBody, answer: StoredAnswer) -> None:
    """Keep an answer before it is sent, in the caller's transaction."""
    connection.execute(
        _ANSWER,
        {
            "sender": body.sender,
            "key": body.key,
            "digest": body.digest,
            "status": answer.status,
            "answer": answer.answer,
        },
    )


def release(connection: Connection, body: SentBody) -> None:
    """Give the key of a body up of which nothing was stored, in the caller's transaction."""
    connection.execute(_RELEASE, {"sender": body.sender, "key": body.key, "digest": body.digest})
