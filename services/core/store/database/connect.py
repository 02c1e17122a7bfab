"""Connections to the database, each with its process's name and the role it works as.

``TONNE_DATABASE_URL`` names one login; every process gives up what it does not need by taking one
of the roles that the migrations create (``tonne_ingest``, ``tonne_aggregate``, ``tonne_notify``,
``tonne_read``).
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

ProcessName = Literal["ingest", "aggregator", "notify", "api", "migrate", "apply", "admin", "test"]
RoleName = Literal["tonne_ingest", "tonne_aggregate", "tonne_notify", "tonne_read"]

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


class DatabaseUrlError(ValueError):
    """TONNE_DATABASE_URL is not of the form postgresql://user@host:port/database."""


def check_url(url: str) -> str:
    """Return ``url`` if it is a PostgreSQL URL, else raise :class:`DatabaseUrlError`."""
    if urlsplit(url).scheme not in {"postgresql", "postgres"}:
        raise DatabaseUrlError(DatabaseUrlError.__doc__)
    return url


def _parameters(process: ProcessName, role: RoleName | None) -> dict[str, Any]:
    # JIT compilation costs more than it saves on queries this short
    options = "-c TimeZone=UTC -c jit=off" + (f" -c role={role}" if role else "")
    if process == "aggregator":
        options += _HOLDS_A_FACILITY
    return {"application_name": f"tonne.{process}", "options": options, **_KEEPALIVE}


def connect(
    url: str, *, process: ProcessName, role: RoleName | None = None, autocommit: bool = False
) -> psycopg.Connection[Any]:
    """Open a blocking psycopg connection.

    :raises psycopg.OperationalError: the database cannot be reached (recoverable).
    """
    return psycopg.connect(check_url(url), autocommit=autocommit, **_parameters(process, role))


async def connect_async(
    url: str, *, process: ProcessName, role: RoleName | None = None, autocommit: bool = False
) -> psycopg.AsyncConnection[Any]:
    """Open an asyncio psycopg connection; see :func:`connect`."""
    return await psycopg.AsyncConnection.connect(
        check_url(url), autocommit=autocommit, **_parameters(process, role)
    )


def _sqlalchemy_url(url: str) -> str:
    return "postgresql+psycopg://" + check_url(url).split("://", 1)[1]


def engine(url: str, *, process: ProcessName, role: RoleName | None = None) -> Engine:
    """Build a SQLAlchemy engine that connects when first used."""
    return create_engine(
        _sqlalchemy_url(url), connect_args=_parameters(process, role), pool_pre_ping=True
    )


def async_engine(
    url: str,
    *,
    process: ProcessName,
    role: RoleName | None = None,
    pool_size: int = 8,
    max_overflow: int = 8,
) -> AsyncEngine:
    """Build an asyncio SQLAlchemy engine that connects when first used."""
    return create_async_engine(
        _sqlalchemy_url(url),
        connect_args=_parameters(process, role),
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=max_overflow,
    )
