"""Every text of a facility's file that came into force: who applied it, and what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from services.core.facility.errors import ApplyError
from services.core.store.database import database_time
from services.core.store.registry import applied_file
from services.core.store.schema import tables as t
from services.core.store.schema.file_tables import facility_version


class StaleVersionError(ApplyError):
    """The file was made from a version that is no longer in force; nothing was changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileVersion:
    """A text that came into force."""

    #: of the facility, from 1 on
    number: int
    applied_at: datetime
    #: None: it was applied before this was recorded
    applied_by: str | None
    sha256: str
    #: a line each; none: comments and layout alone
    changes: list[str]


def digest(text: str) -> str:
    """Return what a text is told from others by: SHA-256 in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def in_force(connection: Connection, slug: str) -> str | None:
    """Return the text that is in force; None: there is no such facility."""
    row = connection.execute(applied_file.statement(slug)).one_or_none()
    return None if row is None else applied_file.text(row)


def refuse_if_replaced(connection: Connection, slug: str, text: str | None, expected: str) -> None:
    """Let a change be made only of the text that is in force; ``expected``: its digest.

    :raises StaleVersionError: another text is in force, or none.
    """
    if text is None:
        raise StaleVersionError(
            f"there is no facility {slug} to change; apply its file without If-Match to create it"
        )
    if digest(text) == expected:
        return
    version = connection.execute(listed(slug, limit=1)).one_or_none()
    by = "" if version is None else f" by {version.applied_by or 'somebody'}"
    when = "" if version is None else f" at {version.applied_at:%Y-%m-%dT%H:%MZ}"
    raise StaleVersionError(
        f"another version of {slug} was applied{by}{when} since yours was read; read the one in"
        " force again, put your changes into it, and apply that"
    )


def refuse_if_there(slug: str, text: str | None) -> None:
    """Let a facility be made only where there is none of its id; ``text``: in force.

    :raises StaleVersionError: there is one, in force or retired.
    """
    if text is not None:
        raise StaleVersionError(
            f"there is a facility {slug} already; choose another id, or apply your file without"
            " If-None-Match to change that facility"
        )


def keep(
    connection: Connection, slug: str, text: str, changes: Sequence[str], *, by: str | None
) -> None:
    """Add a text as the facility's newest version; needs the registry lock."""
    f, v = t.facility.c, facility_version.c
    facility_id = connection.scalar(select(f.id).where(f.slug == slug))
    number = connection.scalar(
        select(func.coalesce(func.max(v.number), 0) + 1).where(v.facility_id == facility_id)
    )
    connection.execute(
        insert(facility_version).values(
            facility_id=facility_id,
            number=number,
            applied_at=database_time.NOW,
            applied_by=by,
            sha256=digest(text),
            file=text,
            changes=list(changes),
        )
    )


def listed(slug: str, *, limit: int, before: int | None = None) -> Select[Any]:
    """Ask for a facility's versions, the newest first; ``before``: only those with lower numbers.

    Each row has the fields of :class:`FileVersion`.
    """
    v = facility_version.c
    statement = (
        select(v.number, v.applied_at, v.applied_by, v.sha256, v.changes)
        .join(t.facility, t.facility.c.id == v.facility_id)
        .where(t.facility.c.slug == slug)
        .order_by(v.number.desc())
        .limit(limit)
    )
    return statement if before is None else statement.where(v.number < before)


def text_of(slug: str, number: int) -> Select[Any]:
    """Ask for the text of a version."""
    v = facility_version.c
    return (
        select(v.file)
        .join(t.facility, t.facility.c.id == v.facility_id)
        .where(t.facility.c.slug == slug, v.number == number)
    )
