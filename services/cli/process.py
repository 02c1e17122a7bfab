"""What every command begins with: settings, logs, and a connection where it needs one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from services.core.runtime import logging
from services.core.runtime.settings import Settings, load
from services.core.store.database.connect import connect


def settings(process: str) -> Settings:
    """Read the settings and set up the logs of this process."""
    found = load().of_process(process)
    logging.configure(process=process, level=found.log_level, style=found.log_format)
    return found


@contextmanager
def database(command: str = "admin") -> Iterator[psycopg.Connection[Any]]:
    """A connection for administration, in autocommit mode."""
    with connect(settings(command).database, process="admin", autocommit=True) as connection:
        yield connection
