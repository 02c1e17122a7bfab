"""Connections that are open, by database, so that all who wait for one can be let go.

A server that hangs takes statements and answers nothing. Its kernel acknowledges them, so that the
network finds nothing wrong, and a thread would wait for as long as it hangs. A socket that is shut
down wakes whoever waits, as if the server had gone.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

import psycopg

from services.core.store.database.process_names import ProcessName

_changing: Final = threading.Lock()
_of_urls: Final[dict[str, WeakSet[psycopg.BaseConnection[Any]]]] = {}
#: as what this process opened the first one
_processes: Final[dict[str, ProcessName]] = {}


def note(
    url: str, connection: psycopg.BaseConnection[Any], process: ProcessName | None = None
) -> None:
    """Remember a connection for as long as somebody has it.

    ``process``: as what it was opened; None: something else looks after that database.
    """
    with _changing:
        _of_urls.setdefault(url, WeakSet()).add(connection)
        if process is not None:
            _processes.setdefault(url, process)


def databases() -> Mapping[str, ProcessName]:
    """Return to which databases there were connections, and as what they were opened."""
    with _changing:
        return dict(_processes)


def cut(url: str, *, sparing: Collection[psycopg.BaseConnection[Any]] = ()) -> int:
    """End the connections to a database, whoever waits for them; return how many there were."""
    with _changing:
        connections = list(_of_urls.get(url, ()))
    return sum(shut_down(connection) for connection in connections if connection not in sparing)


def shut_down(connection: psycopg.BaseConnection[Any]) -> bool:
    """End a connection that another task or thread may wait for; return whether it was open."""
    with suppress(psycopg.OperationalError, OSError):
        descriptor = connection.fileno()
        with socket.socket(fileno=os.dup(descriptor)) as same:
            # closed meanwhile, its number may be another socket's
            if not connection.closed and connection.fileno() == descriptor:
                same.shutdown(socket.SHUT_RDWR)
                return True
    return False
