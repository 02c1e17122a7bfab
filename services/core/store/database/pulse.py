"""Asks a database again and again whether it answers, and lets go who waits for one that hangs.

A server that is gone refuses, and whoever asks is told. One that hangs refuses nothing: its kernel
acknowledges what is sent, so that neither keepalives nor timeouts of TCP find anything wrong, and
who waits for it would wait for as long as it hangs. A database in which a lock is waited for does
not hang: it answers this, and its own timeouts end what waits.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import psycopg
import structlog

from services.core.runtime.backoff import Backoff
from services.core.store.database import open_connections
from services.core.store.database.connect import RoleName, connect_async
from services.core.store.database.process_names import ProcessName
from services.core.store.database.schema_version import SchemaError

log = structlog.get_logger()

_EVERY_S: Final = 1.0
#: A fault of our own is logged as often as this, not with each look.
_LONGEST_PAUSE_S: Final = 30.0
#: A process that was busy itself takes a look at what came meanwhile.
_LOOKS_AGAIN_S: Final = 0.1

#: URLs that a pulse of this process is felt of.
_looked_after: Final[set[str]] = set()

#: What libpq makes of a server's refusal to connect, which has no SQLSTATE: the severity, in the
#: server's language, and two spaces. Beside it what psycopg says of a server that says nothing.
_REFUSAL: Final = re.compile(r"failed: \S+:  ")
_TIMEOUT: Final = "timeout expired"

#: What the database, or the way to it, may raise.
_FAILURES: Final = (psycopg.Error, SchemaError, OSError, asyncio.CancelledError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a database may take to say anything, in seconds."""

    #: What takes longer counts as hanging.
    answers_within_s: float
    #: After so much longer its connections are cut, and threads that wait for them are free.
    cut_after_s: float

    @property
    def longest_s(self) -> float:
        """How long a connection stays open without a sign of the database."""
        return self.answers_within_s + self.cut_after_s


class Listener(Protocol):
    """Is notified of what a pulse shows."""

    def alive(self) -> None:
        """Take note that the database answers."""

    def silent(self) -> None:
        """Take note that it does not."""

    def refuses(self) -> None:
        """Take note that it refuses a connection, which is an answer: what is open may work."""

    def hangs(self) -> None:
        """Take note that it takes statements and answers nothing."""

    def gives_up(self) -> None:
        """Take note that who waits for it is let go now: its connections are cut."""

    def cut(self, connections: int) -> None:
        """Take note that so many of them were."""


class Pulse:
    """Knows of one database whether it answers, by a connection of its own."""

    def __init__(
        self,
        url: str,
        listener: Listener,
        *,
        patience: Patience,
        process: ProcessName,
        role: RoleName | None = None,
    ) -> None:
        self._url = url
        self._listener = listener
        self._patience = patience
        self._process = process
        self._role = role
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._answered_s = time.monotonic()

    async def watch(self) -> None:
        """Look until cancelled."""
        _looked_after.add(self._url)
        backoff = Backoff(shortest_s=_EVERY_S, longest_s=_LONGEST_PAUSE_S)
        try:
            while True:
                pause_s = _EVERY_S
                try:
                    await self._look()
                except Exception:
                    pause_s = backoff.next_s()
                    log.exception("database_pulse_failed", again_in_s=round(pause_s, 1))
                else:
                    backoff.reset()
                await asyncio.sleep(pause_s)
        finally:
            _looked_after.discard(self._url)
            await self._let_go()

    async def _look(self) -> None:
        asking = asyncio.create_task(self._ask())
        try:
            await asyncio.wait({asking}, timeout=self._patience.answers_within_s)
            await asyncio.wait({asking}, timeout=_LOOKS_AGAIN_S)
            if not asking.done():
                self._listener.hangs()
                await asyncio.wait({asking}, timeout=self._patience.cut_after_s)
            if not asking.done():
                self._cut()
            # of several servers that the URL names each has its own time to connect
            while self._connection is None and not asking.done():
                await asyncio.wait({asking}, timeout=_LOOKS_AGAIN_S)
                if self._connection is not None:
                    await asyncio.wait({asking}, timeout=self._patience.answers_within_s)
        finally:
            if not asking.done():
                # a statement that is cancelled waits for the server's consent
                if self._connection is None:
                    asking.cancel()
                else:
                    open_connections.shut_down(self._connection)
            (error,) = await asyncio.gather(asking, return_exceptions=True)
        if error is None:
            self._answered_s = time.monotonic()
            self._listener.alive()
            return
        await self._let_go()
        if not isinstance(error, _FAILURES):
            raise error
        self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if _refuses(error):
            # as one that has no room for another connection
            self._answered_s = time.monotonic()
            self._listener.refuses()
        elif time.monotonic() - self._answered_s > self._patience.longest_s:
            # it takes connections no more, and may still have those of before
            self._cut()
        self._listener.silent()

    async def _ask(self) -> None:
        if self._connection is None:
            self._connection = await connect_async(
                self._url, process=self._process, role=self._role, autocommit=True, any_schema=True
            )
        await self._connection.execute("SELECT")

    def _cut(self) -> None:
        # whoever is let go may ask at once why
        self._listener.gives_up()
        if ended := open_connections.cut(self._url):
            log.warning("database_hangs", connections=ended)
            self._listener.cut(ended)

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def watch_all(
    listener: Callable[[str], Listener], *, patience: Patience, every_s: float
) -> None:
    """Look until cancelled after all databases that this process connects to.

    ``listener``: builds that of a URL; ``every_s``: how often it is looked to which databases. One
    that a pulse of something else looks after is left to that.
    """
    watching: dict[str, asyncio.Task[None]] = {}
    while True:
        for url, process in open_connections.databases().items():
            if url not in watching and url not in _looked_after:
                looking = Pulse(url, listener(url), patience=patience, process=process)
                watching[url] = asyncio.create_task(looking.watch())
        await asyncio.sleep(every_s)


def _refuses(error: BaseException) -> bool:
    """Return whether the database itself has refused: that is an answer."""
    if not isinstance(error, psycopg.Error):
        return isinstance(error, SchemaError)
    if _TIMEOUT in str(error):
        # of several servers one may have refused and another hang
        return False
    return error.sqlstate is not None or _REFUSAL.search(str(error)) is not None
