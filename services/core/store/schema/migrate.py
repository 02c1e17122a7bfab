"""Bring a database to the newest schema, also while older processes work on it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from services.core.store.database import schema_version, unreadable_chunks
from services.core.store.database.connect import driver_connection, engine
from services.core.store.database.schema_version import MIGRATIONS
from services.core.store.schema import (
    compatibility,
    ddl,
    logins,
    older_processes,
    preconditions,
)
from services.core.store.schema.preconditions import MigrationError

_log: Final = structlog.get_logger()

#: Any number that only migrations use: two of them at once wait for each other.
_MIGRATION_LOCK = 0x746F6E6E

#: Whoever comes after a migration that waits for a table waits too: so it waits no longer, and
#: tries again after a pause, until the third value has passed.
_LOCK_TIMEOUT_S: Final = 3
_PAUSE_S: Final = 2.0
_PATIENCE_S: Final = 300.0

#: What running processes and a migration do to each other, and what ends by trying again.
_BUSY: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
_CONCURRENT: Final = re.compile("tuple concurrently (?:updated|deleted)")


def config(connection: Connection) -> Config:
    """Return Alembic's configuration bound to an open connection."""
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    configuration.attributes["connection"] = connection
    return configuration


def upgrade(
    url: str,
    *,
    logins_directory: Path | None = None,
    force: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Apply every missing migration and the current rights, in one transaction.

    With ``logins_directory`` the processes' roles may log in, each with the password of its file
    there (:mod:`.logins`). With ``force`` also while processes run that the new schema leaves
    behind.

    Safe to call at any time and from several processes at once, and while processes of the version
    before work. Returns whether the schema is this code's: one that is newer and lets this code
    work is left as it is.

    :raises MigrationError: PostgreSQL or TimescaleDB is missing or too old, the schema is newer
        than this code works on, the server cannot read all that the database has, processes run
        that do not work on the new schema, or others hold tables for minutes.
    """
    bind = engine(url, process="migrate")
    give_up_at = time.monotonic() + _PATIENCE_S
    try:
        while True:
            try:
                with _clear_refusals(), bind.begin() as connection:
                    return _upgrade(connection, logins_directory, force=force)
            except DBAPIError as error:
                if not _is_busy(error):
                    raise
                if time.monotonic() > give_up_at:
                    raise MigrationError(_LOCKED) from None
                _log.warning("migration_waits", reason=str(error.orig).splitlines()[0])
            pause(_PAUSE_S)
    finally:
        bind.dispose()


class Plan(NamedTuple):
    """What a call of :func:`upgrade` would do."""

    #: each missing migration and what it is for, in order
    steps: list[tuple[str, str]]
    #: whether processes that work on the present schema work on the new one too
    older_go_on: bool
    #: processes that run, and do not work on the new schema
    left_behind: list[str]


def plan(url: str) -> Plan:
    """Say what :func:`upgrade` would apply; changes nothing.

    :raises MigrationError: as that does, but for what it waits for.
    """
    bind = engine(url, process="migrate")
    try:
        with bind.connect() as connection:
            preconditions.require(connection, load=False)
            present = MigrationContext.configure(connection).get_current_revision()
            if _refuse_newer(connection):
                return Plan([], older_go_on=True, left_behind=[])
            script = ScriptDirectory.from_config(config(connection))
            missing = list(script.iterate_revisions("head", present or "base"))
            older = {step.revision for step in script.walk_revisions(head=present or "base")}
            oldest = compatibility.compatible_from(script.walk_revisions())
            steps = [(step.revision, step.doc) for step in reversed(missing)]
            return Plan(
                steps,
                older_go_on=not missing or oldest in older,
                left_behind=older_processes.left_behind(connection, script, present),
            )
    finally:
        bind.dispose()


_LOCKED: Final = (
    "others hold tables that have to change, and have for five minutes; nothing was changed: end"
    " long queries (pg_stat_activity), or stop tonne's processes, and run `tonne migrate` again"
)


def _upgrade(connection: Connection, logins_directory: Path | None, *, force: bool) -> bool:
    preconditions.require(connection)
    connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": _MIGRATION_LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'"))
    _refuse_unreadable(connection)
    is_ahead = _refuse_newer(connection)
    if not is_ahead:
        # what a newer version made is its own: older functions would not fit
        settings = config(connection)
        _refuse_left_behind(connection, ScriptDirectory.from_config(settings), force=force)
        command.upgrade(settings, "head")
        compatibility.write(connection, ScriptDirectory.from_config(settings).walk_revisions())
        ddl.create_roles(connection)
        ddl.seed(connection)
    if logins_directory is not None:
        logins.let_in(connection, logins_directory)
    return not is_ahead


def _is_busy(error: DBAPIError) -> bool:
    return isinstance(error.orig, _BUSY) or _CONCURRENT.search(str(error.orig)) is not None


@contextmanager
def _clear_refusals() -> Iterator[None]:
    """Say what a login lacks."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        refusal = error.orig.diag.message_primary or str(error.orig)
        if "extension" in refusal:
            raise MigrationError(
                f"the login may not load TimescaleDB ({refusal}); let a superuser run `CREATE"
                " EXTENSION timescaledb` in this database first"
            ) from None
        raise MigrationError(
            f"the login may not do what the migrations need ({refusal}); it must own the"
            " database and its tables and be allowed to create roles (`ALTER ROLE ... CREATEROLE`)"
        ) from None


def _refuse_unreadable(connection: Connection) -> None:
    if (reason := unreadable_chunks.objection(driver_connection(connection))) is not None:
        raise MigrationError(reason)


def _refuse_left_behind(connection: Connection, script: ScriptDirectory, *, force: bool) -> None:
    present = MigrationContext.configure(connection).get_current_revision()
    processes = older_processes.left_behind(connection, script, present)
    if not processes:
        return
    if force:
        _log.warning("migration_leaves_processes_behind", processes=processes)
        return
    raise MigrationError(
        "processes still run that do not work on the new schema:"
        f" {older_processes.enumerate_processes(processes)}; nothing was changed: stop them and"
        " run `tonne migrate` again, or insist with `tonne migrate --force`, after which they fail"
        " until this version replaces them"
    )


def _refuse_newer(connection: Connection) -> bool:
    """Return whether the schema is newer than this code's, which then works on it."""
    schema = schema_version.stored(driver_connection(connection))
    if not schema_version.is_ahead(schema):
        return False
    if (reason := schema_version.objection(schema)) is not None:
        raise MigrationError(reason)
    return True
