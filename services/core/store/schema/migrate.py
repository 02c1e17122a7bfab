"""Bring a database to the newest schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from services.core.store.database import schema_version, unreadable_chunks
from services.core.store.database.connect import driver_connection, engine
from services.core.store.database.schema_version import MIGRATIONS
from services.core.store.schema import ddl, logins

#: Any number that only migrations use: two of them at once wait for each other.
_MIGRATION_LOCK = 0x746F6E6E

#: The oldest TimescaleDB that the schema is tested with.
_OLDEST_TIMESCALEDB = (2, 19)


class MigrationError(RuntimeError):
    """The database cannot carry tonne's schema."""


def config(connection: Connection) -> Config:
    """Return Alembic's configuration bound to an open connection."""
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    return configuration


def upgrade(url: str, *, logins_directory: Path | None = None) -> None:
    """Apply every missing migration and the current rights, in one transaction.

    With ``logins_directory`` the processes' roles may log in, each with the password of its file
    there (:mod:`.logins`).

    Safe to call at any time and from several processes at once.

    :raises MigrationError: PostgreSQL or TimescaleDB is missing or too old, the schema is newer
        than this code, or the server cannot read all that the database has.
    """
    bind = engine(url, process="migrate")
    try:
        with _clear_refusals(), bind.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": _MIGRATION_LOCK})
            _require_timescaledb(connection)
            _refuse_unreadable(connection)
            _refuse_newer(connection)
            command.upgrade(config(connection), "head")
            ddl.create_roles(connection)
            ddl.seed(connection)
            if logins_directory is not None:
                logins.let_in(connection, logins_directory)
    finally:
        bind.dispose()


@contextmanager
def _clear_refusals() -> Iterator[None]:
    """Say what a login lacks."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        refusal = error.orig.diag.message_primary or str(error.orig)
        raise MigrationError(
            f"the login may not do what the migrations need ({refusal}); it must own the"
            " database and its tables and be allowed to create roles (`ALTER ROLE ... CREATEROLE`)"
        ) from None


def _refuse_unreadable(connection: Connection) -> None:
    if (reason := unreadable_chunks.objection(driver_connection(connection))) is not None:
        raise MigrationError(reason)


def _refuse_newer(connection: Connection) -> None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and not schema_version.is_known(revision):
        raise MigrationError(schema_version.objection(revision))


def _require_timescaledb(connection: Connection) -> None:
    available = connection.scalar(
        text("SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
    )
    if available is None:
        raise MigrationError(
            "TimescaleDB is not installed on this PostgreSQL server; install the package"
            " postgresql-NN-timescaledb and set shared_preload_libraries = 'timescaledb'"
        )
    if tuple(int(part) for part in available.split(".")[:2]) < _OLDEST_TIMESCALEDB:
        raise MigrationError(f"TimescaleDB {available} is too old; install 2.19 or newer")
    ddl.create_extension(connection)
