"""Connections that are open, by database, so that all who wait for one can be let go.

A server that hangs takes statements and answers nothing. Its kernel acknowledges them, so that the
network finds nothing wrong, and a thread would wait for as long as it hangs. A socket that is shut
down wakes whoever waits, as if the server had gone.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

import psycopg

_changing: Final = threading.Lock()
_of_urls: Final[dict[str, WeakSet[psycopg.BaseConnection[Any]]]] = {}


def note(url: str, connection: psycopg.BaseConnection[Any]) -> None:
    """Remember a connection for as long as somebody has it."""
    with _changing:
        _of_urls.setdefault(url, WeakSet()).add(connection)


def cut(url: str) -> int:
    """End the connections to a database, whoever waits for them; return how many there were."""
    with _changing:
        connections = list(_of_urls.get(url, ()))
    return sum(map(shut_down, connections))


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
