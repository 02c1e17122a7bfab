"""Whether the database is one that this code can work with.

Code works on the schema that it was written for, and on a newer one for as long as that says so: a
step that only adds lets older code go on, one that takes away does not. It must not work on any
other: it would write what that schema no longer means. Nor can a server be worked with that leaves
rows out of its answers.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any, Final, LiteralString, NamedTuple

import psycopg

from services.core.store.database import unreadable_chunks

#: Where the steps from one schema to the next stand.
MIGRATIONS = Path(__file__).parent.parent / "schema" / "migrations"

_MIGRATED: Final = "SELECT to_regclass('public.alembic_version') IS NOT NULL"
_REVISION: Final = "SELECT version_num FROM public.alembic_version"
_STATES: Final = "SELECT to_regclass('public.schema_compatibility') IS NOT NULL"
_COMPATIBLE_FROM: Final = "SELECT compatible_from FROM public.schema_compatibility"


class Stored(NamedTuple):
    """What a database says of its schema."""

    revision: str
    #: oldest code that works on it, by the newest migration that it holds; asked of schemas alone
    #: that are newer than this code
    compatible_from: str | None = None


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


def is_ahead(schema: Stored | None) -> bool:
    """Return whether a newer version of tonne has migrated the database."""
    return schema is not None and not is_known(schema.revision)


def objection(schema: Stored | None) -> str | None:
    """Return what is wrong with a database of this schema, and what to do; None: nothing."""
    wanted = newest_revision()
    if schema is None:
        return "the database has no schema yet; run `tonne migrate`"
    revision, oldest = schema
    if revision == wanted:
        return None
    if is_known(revision):
        return (
            f"the database's schema ({revision}) is older than this version of tonne needs"
            f" ({wanted}); run `tonne migrate`"
        )
    # of all that this code holds its own schema is the last
    if oldest is not None and is_known(oldest):
        return None
    return (
        f"the database's schema ({revision}) is newer than this version of tonne knows ({wanted});"
        " upgrade tonne"
    )


def check(connection: psycopg.Connection[Any]) -> None:
    """Refuse a database with a schema that this code cannot work on, or chunks it cannot read.

    :raises SchemaError: with what to do.
    """
    try:
        schema = stored(connection)
    except psycopg.errors.InsufficientPrivilege:
        raise SchemaError(_UNREADABLE) from None
    _refuse(objection(schema))
    _refuse(unreadable_chunks.objection(connection))


async def check_async(connection: psycopg.AsyncConnection[Any]) -> None:
    """Do as :func:`check` does."""
    try:
        schema = await stored_async(connection)
    except psycopg.errors.InsufficientPrivilege:
        raise SchemaError(_UNREADABLE) from None
    _refuse(objection(schema))
    _refuse(await unreadable_chunks.objection_async(connection))


def stored(connection: psycopg.Connection[Any]) -> Stored | None:
    """Read what the database says of its schema; None: no migration was ever applied."""
    questions = _questions()
    question = next(questions)
    while True:
        row = connection.execute(question).fetchone()
        try:
            question = questions.send(row[0] if row else None)
        except StopIteration as end:
            schema: Stored | None = end.value
            return schema


async def stored_async(connection: psycopg.AsyncConnection[Any]) -> Stored | None:
    """Do as :func:`stored` does."""
    questions = _questions()
    question = next(questions)
    while True:
        row = await (await connection.execute(question)).fetchone()
        try:
            question = questions.send(row[0] if row else None)
        except StopIteration as end:
            schema: Stored | None = end.value
            return schema


def _questions() -> Generator[LiteralString, Any, Stored | None]:
    """Yield statements to be answered with the first value of their first row."""
    if not (yield _MIGRATED):
        return None
    revision = yield _REVISION
    if revision is None:
        return None
    if is_known(revision) or not (yield _STATES):
        return Stored(revision)
    return Stored(revision, (yield _COMPATIBLE_FROM))


_UNREADABLE = "the login may not read the schema's version; run `tonne migrate`, which grants it"


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise SchemaError(reason)
