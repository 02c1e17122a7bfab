"""Whether the database is one that this code can work with.

Older code must not work on a newer schema: it would write what that schema no longer means. Nor
can a server be worked with that leaves rows out of its answers.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from services.core.store.database import unreadable_chunks

#: Where the steps from one schema to the next stand.
MIGRATIONS = Path(__file__).parent.parent / "schema" / "migrations"

_MIGRATED = "SELECT to_regclass('public.alembic_version') IS NOT NULL"
_REVISION = "SELECT version_num FROM public.alembic_version"


class SchemaError(RuntimeError):
    """The database is not one that this code can work with; the message says what to do."""


_AFTER = re.compile(r'^down_revision = "(\w+)"$', re.MULTILINE)


@cache
def _known() -> frozenset[str]:
    # a step's file begins with its number; the tools that run steps take far longer to load
    return frozenset(step.name[:4] for step in _steps())


@cache
def newest_revision() -> str:
    """Return the migration that this code is written for: the one that none comes after."""
    followed = {match[1] for step in _steps() if (match := _AFTER.search(step.read_text()))}
    return max(_known() - followed)


def _steps() -> list[Path]:
    return list((MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def is_known(revision: str) -> bool:
    """Return whether this code holds that migration."""
    return revision in _known()


def objection(revision: str | None) -> str | None:
    """Return what is wrong with a database of this revision, and what to do; None: nothing."""
    wanted = newest_revision()
    if revision == wanted:
        return None
    if revision is None:
        return "the database has no schema yet; run `tonne migrate`"
    if is_known(revision):
        return (
            f"the database's schema ({revision}) is older than this version of tonne needs"
            f" ({wanted}); run `tonne migrate`"
        )
    return (
        f"the database's schema ({revision}) is newer than this version of tonne knows ({wanted});"
        " upgrade tonne"
    )


def check(connection: psycopg.Connection[Any]) -> None:
    """Refuse a database with another schema than this code's, or with chunks it cannot read.

    :raises SchemaError: with what to do.
    """
    try:
        migrated = connection.execute(_MIGRATED).fetchone()
        row = connection.execute(_REVISION).fetchone() if migrated and migrated[0] else None
    except psycopg.errors.InsufficientPrivilege:
        raise SchemaError(_UNREADABLE) from None
    _refuse(objection(None if row is None else str(row[0])))
    _refuse(unreadable_chunks.objection(connection))


async def check_async(connection: psycopg.AsyncConnection[Any]) -> None:
    """Do as :func:`check` does."""
    try:
        stored = await revision(connection)
    except psycopg.errors.InsufficientPrivilege:
        raise SchemaError(_UNREADABLE) from None
    _refuse(objection(stored))
    _refuse(await unreadable_chunks.objection_async(connection))


async def revision(connection: psycopg.AsyncConnection[Any]) -> str | None:
    """Read the migration that the database is at; None: none was ever applied."""
    migrated = await (await connection.execute(_MIGRATED)).fetchone()
    if not (migrated and migrated[0]):
        return None
    row = await (await connection.execute(_REVISION)).fetchone()
    return None if row is None else str(row[0])


_UNREADABLE = "the login may not read the schema's version; run `tonne migrate`, which grants it"


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise SchemaError(reason)
