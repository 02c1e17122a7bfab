"""Settings, logs and database connections of a command."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection

from services.core.runtime import logging
from services.core.runtime.settings import Settings, load
from services.core.store.database import transactions
from services.core.store.database.connect import connect


def operator() -> str:
    """Name who runs the command, as ledgers and the audit log show it."""
    return f"user {getpass.getuser()}"


def settings(process: str) -> Settings:
    """Read the settings and set up the logs of this process."""
    read = load().of_process(process)
    logging.configure(process=process, level=read.log_level, style=read.log_format)
    return read


@contextmanager
def database(command: str = "admin") -> Iterator[psycopg.Connection[Any]]:
    """Open a connection for administration, in autocommit mode."""
    with connect(settings(command).database, process="admin", autocommit=True) as connection:
        yield connection


@contextmanager
def session() -> Iterator[Connection]:
    """Open a connection for several transactions."""
    with transactions.session(settings("admin").database, process="admin") as connection:
        yield connection


@contextmanager
def transaction(*, dry_run: bool = False) -> Iterator[Connection]:
    """Open one transaction; it commits at the end, with ``dry_run`` it is rolled back."""
    url = settings("apply").database
    with transactions.writing(url, process="apply", dry_run=dry_run) as connection:
        yield connection
