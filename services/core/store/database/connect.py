"""Connections to the database, each with its process's name and the role it works as.

``TONNE_DATABASE_URL`` names the process's own login, or one for all: then every process gives up
what it does not need by taking one of the roles that the migrations create (``tonne_ingest``,
``tonne_aggregate``, ``tonne_notify``, ``tonne_read``).
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from services.core.runtime.credentials import ADVICE, unclear
from services.core.store.database import open_connections, schema_version
from services.core.store.database.process_names import ProcessName, session_name
from services.core.store.database.schema_version import SchemaError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

RoleName = Literal["tonne_ingest", "tonne_aggregate", "tonne_notify", "tonne_read"]
#: Which server a URL leads to: the one that is written, or one that follows it.
ServerName = Literal["primary", "standby"]

#: A database that has vanished without a word is noticed after about 15 s.
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
    "connect_timeout": 5,
}


#: An aggregator holds a facility for as long as its transaction lives. One that is killed in a long
#: query, or stands still, must lose it within seconds, or nobody else computes that facility.
_HOLDS_A_FACILITY = (
    " -c client_connection_check_interval=1s"
    " -c idle_in_transaction_session_timeout=5s"
    " -c tcp_user_timeout=5s"
)


#: Values of ``target_session_attrs`` that may end at a server which is not the primary.
_OF_STANDBYS: Final = frozenset({"read-only", "standby", "prefer-standby"})
#: Those that end at the primary.
_OF_PRIMARIES: Final = frozenset({"read-write", "primary"})

#: Of a standby nobody waits long, for the primary answers as well. Who stands still there must not
#: hold back what the primary may clear away, and a lock that replay holds is none of the primary's.
_AT_STANDBY: Final = " -c lock_timeout=1s -c idle_in_transaction_session_timeout=60s"
_STANDBY_KEEPALIVE: Final = {"tcp_user_timeout": 3_000, "connect_timeout": 2}


class DatabaseUrlError(ValueError):
    """TONNE_DATABASE_URL is not of the form postgresql://user@host:port/database."""


def check_url(url: str) -> str:
    """Return ``url`` if it is a PostgreSQL URL, else raise :class:`DatabaseUrlError`."""
    if url.partition("://")[0] not in {"postgresql", "postgres"}:
        raise DatabaseUrlError(DatabaseUrlError.__doc__)
    if unclear(url) or not _is_understood(url):
        raise DatabaseUrlError(f"TONNE_DATABASE_URL {ADVICE}")
    if conninfo_to_dict(url).get("target_session_attrs") in _OF_STANDBYS:
        raise DatabaseUrlError(
            "TONNE_DATABASE_URL asks for a standby, which can be neither written nor listened to;"
            " leave target_session_attrs out, or let it be read-write"
        )
    return url


def check_standby_url(url: str) -> str:
    """Return ``url`` if it may lead to a standby, else raise :class:`DatabaseUrlError`."""
    if (
        url.partition("://")[0] not in {"postgresql", "postgres"}
        or unclear(url)
        or not _is_understood(url)
    ):
        raise DatabaseUrlError(f"TONNE_API_READS_URL {ADVICE}")
    if conninfo_to_dict(url).get("target_session_attrs") in _OF_PRIMARIES:
        raise DatabaseUrlError(
            "TONNE_API_READS_URL asks for the primary, which the API reads from without it; let its"
            " target_session_attrs be standby, or leave it out"
        )
    return url


def _checked(url: str, server: ServerName) -> str:
    return check_url(url) if server == "primary" else check_standby_url(url)


def _is_understood(url: str) -> bool:
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # its message quotes what it does not understand
        return False
    return True


#: What brings the schema up to date, and tests of any schema.
_ANY_SCHEMA: frozenset[ProcessName] = frozenset({"migrate", "test"})


#: How long people wait for what somebody else locks; whoever changes anything needs it for less.
_LOCK_TIMEOUTS: Final[Mapping[ProcessName, str]] = {"api": "10s", "apply": "60s", "admin": "60s"}

#: No read for somebody who waits may hold a connection longer than this.
_READ_TIMEOUT_MS = 15_000


def _parameters(
    url: str,
    process: ProcessName,
    role: RoleName | None,
    *,
    one_plan: bool = False,
    server: ServerName = "primary",
) -> dict[str, Any]:
    # JIT compilation costs more than it saves on queries this short
    options = "-c TimeZone=UTC -c jit=off" + (f" -c role={role}" if role else "")
    if role == "tonne_read":
        options += f" -c statement_timeout={_READ_TIMEOUT_MS}"
    elif process in _LOCK_TIMEOUTS:
        options += f" -c lock_timeout={_LOCK_TIMEOUTS[process]}"
    if process == "aggregator":
        options += _HOLDS_A_FACILITY
    if one_plan:
        options += " -c plan_cache_mode=force_generic_plan"
    if server == "standby":
        options += _AT_STANDBY
    wanted = {"primary": "read-write", "standby": "standby"}[server]
    chosen = {"target_session_attrs": wanted} if _leaves_open_which(url) else {}
    return {
        "application_name": session_name(process),
        "options": options,
        # texts, whatever the environment says, also of a database that is refused for its encoding
        "client_encoding": "UTF8",
        **chosen,
        **_KEEPALIVE,
        **(_STANDBY_KEEPALIVE if server == "standby" else {}),
    }


def _leaves_open_which(url: str) -> bool:
    """Return whether several hosts are named, and nothing says which of them is meant.

    What the URL leaves out PostgreSQL's client library takes from the environment.
    """
    stated = conninfo_to_dict(url)

    def value(name: str, variable: str) -> str:
        return str(stated.get(name) or os.environ.get(variable, ""))

    hosts = value("host", "PGHOST") + value("hostaddr", "PGHOSTADDR")
    return "," in hosts and not value("target_session_attrs", "PGTARGETSESSIONATTRS")


@contextmanager
def _without_roles() -> Iterator[None]:
    """Say of a server that no migration has run on what a database without a schema is told."""
    try:
        yield
    except psycopg.OperationalError as error:
        # a refusal while connecting carries no SQLSTATE
        if re.search(r'role "tonne_\w+" does not exist', str(error)) is None:
            raise
        raise SchemaError(schema_version.objection(None)) from None


def _note(
    url: str,
    connection: psycopg.BaseConnection[Any],
    process: ProcessName,
    server: ServerName,
) -> None:
    # who reads from a standby looks after it, and is less patient
    open_connections.note(url, connection, process if server == "primary" else None)


def connect(
    url: str,
    *,
    process: ProcessName,
    role: RoleName | None = None,
    autocommit: bool = False,
    server: ServerName = "primary",
) -> psycopg.Connection[Any]:
    """Open a blocking psycopg connection to a database with this code's schema.

    :raises psycopg.OperationalError: the database cannot be reached (recoverable).
    :raises SchemaError: its schema is older or newer than this code.
    """
    with _without_roles():
        connection = psycopg.connect(
            _checked(url, server),
            autocommit=True,
            **_parameters(url, process, role, server=server),
        )
    _note(url, connection, process, server)
    try:
        if process not in _ANY_SCHEMA:
            schema_version.check(connection)
        connection.autocommit = autocommit
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_async(
    url: str,
    *,
    process: ProcessName,
    role: RoleName | None = None,
    autocommit: bool = False,
    any_schema: bool = False,
    one_plan: bool = False,
    server: ServerName = "primary",
) -> psycopg.AsyncConnection[Any]:
    """Open an asyncio psycopg connection; see :func:`connect`.

    ``one_plan``: a statement is planned once, whatever values come, and not for each set of them.
    """
    with _without_roles():
        connection = await psycopg.AsyncConnection.connect(
            _checked(url, server),
            autocommit=True,
            **_parameters(url, process, role, one_plan=one_plan, server=server),
        )
    _note(url, connection, process, server)
    try:
        if not any_schema and process not in _ANY_SCHEMA:
            await schema_version.check_async(connection)
        await connection.set_autocommit(autocommit)
    except BaseException:
        await connection.close()
        raise
    return connection


def create_database(connection: psycopg.Connection[Any], name: str) -> None:
    """Create a database where there is none of the name; the connection is in autocommit mode."""
    row = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if row is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


#: Marks a connection of a pool that nobody has taken yet.
_UNUSED: Final = "unused"
#: Without an address: SQLAlchemy reads none with several hosts, so psycopg opens its connections.
_DIALECT: Final = "postgresql+psycopg://"


def engine(url: str, *, process: ProcessName, role: RoleName | None = None) -> Engine:
    """Build a SQLAlchemy engine that connects when first used; see :func:`connect`."""
    parameters = _parameters(check_url(url), process, role)

    def opened() -> psycopg.Connection[Any]:
        connection = psycopg.connect(url, **parameters)
        open_connections.note(url, connection, process)
        return connection

    created = create_engine(_DIALECT, creator=opened, pool_pre_ping=True)
    if process not in _ANY_SCHEMA:

        @event.listens_for(created, "connect")
        def _check(connection: Any, _record: object) -> None:
            schema_version.check(connection)
            connection.rollback()

    return created


def async_engine(
    url: str,
    *,
    process: ProcessName,
    role: RoleName | None = None,
    pool_size: int = 8,
    max_overflow: int = 8,
    autocommit: bool = False,
    server: ServerName = "primary",
) -> AsyncEngine:
    """Build an asyncio SQLAlchemy engine that connects when first used; see :func:`connect`."""
    # only the API needs it, and it brings the whole of SQLAlchemy's ORM along
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    parameters = _parameters(_checked(url, server), process, role, server=server)

    async def opened() -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(url, **parameters)
        _note(url, connection, process, server)
        return connection

    created = create_async_engine(
        _DIALECT,
        async_creator=opened,
        pool_size=pool_size,
        max_overflow=max_overflow,
        # of each connection once: as an option of the engine it would be set and reset each time
        isolation_level="AUTOCOMMIT" if autocommit else None,
    )

    @event.listens_for(created.sync_engine, "connect")
    def _mark(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_UNUSED] = True

    @event.listens_for(created.sync_engine, "checkout")
    def _check(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        is_new = record.info.pop(_UNUSED, False)
        # to ask the server takes as long as a short query
        if has_ended(connection.driver_connection):
            if is_new:
                # another one would fare no better
                raise psycopg.OperationalError("the server ended a connection that it had opened")
            raise InvalidatePoolError

    return created


def driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    """Return what psycopg opened under a connection of SQLAlchemy, in its transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def has_ended(connection: psycopg.BaseConnection[Any]) -> bool:
    """Return whether the server has ended a connection that nobody uses just now."""
    if connection.closed:
        return True
    # whatever it says unasked, it says because it ends
    unasked = select.poll()
    unasked.register(connection.fileno(), select.POLLIN)
    return bool(unasked.poll(0))
