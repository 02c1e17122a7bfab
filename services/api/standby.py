"""Reads that a standby answers, as the primary would have, or leaves to the primary.

A read that began at an instant sees all that the primary showed then, and nothing that the primary
does not show by the time at which it begins to be answered. So who asks now here, now there never
goes back, and what an answer shows is lost only with what the primary itself had shown. A standby
that cannot do so at once answers nothing for a while. See ``deploy/docs/adr``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.concurrency import run_in_threadpool

from services.api.together import Together
from services.core.runtime.metrics import (
    api_fallbacks,
    api_fence_seconds,
    api_reads,
    api_standby_used,
)
from services.core.store.database import open_connections, standby
from services.core.store.database.connect import connect_async, has_ended
from services.core.store.database.schema_version import SchemaError
from services.core.store.database.standby import Mark
from services.core.store.database.transactions import ReadingConnections, reading_pool

log = structlog.get_logger()

Result = TypeVar("Result")
Ask = Callable[[str], Awaitable[list[tuple[Any, ...]]]]

#: So long a read waits until the standby has what the primary shows, before it asks the primary.
_CATCHES_UP_WITHIN_S: Final = 0.25
#: A standby that takes longer to begin counts as one that hangs.
_BEGINS_WITHIN_S: Final = 0.5
_PAUSE_S: Final = 0.002
_LOOKS_EVERY_S: Final = 1.0
#: A read that is longer at the standby is cut, and asked of the primary.
_LONGEST_READ_S: Final = 10.0
#: Connections of threads that stay open.
_IDLE: Final = 4

#: What a standby, or the connection to it, may raise.
_FAILURES: Final = (psycopg.Error, SQLAlchemyError)


@dataclass(kw_only=True, slots=True)
class Place:
    """Where a request may read."""

    at_primary: bool = False


#: None: it is no request that only reads.
place: ContextVar[Place | None] = ContextVar("place", default=None)


class AskPrimaryError(Exception):
    """The standby could not go on: whoever asks begins anew, at the primary."""


@dataclass(kw_only=True, slots=True)
class _Stage:
    """How far a read has begun."""

    #: whether the primary has said what it shows: from then on the standby is waited for
    is_marked: bool = False

    @property
    def silent(self) -> str:
        """Why it takes so long: which of the two says nothing."""
        return "hangs" if self.is_marked else "primary-away"


class _NotServedError(Exception):
    """The standby does not answer a read; the message is the reason by which it is counted."""


class Marks:
    """What the primary shows, read by one short statement for all who ask at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._together = Together(self._read)

    async def now(self) -> Mark:
        """Return what the primary shows from now on.

        :raises psycopg.Error: it does not answer.
        """
        mark = await self._together.state("")
        assert mark is not None  # noqa: S101 - what is asked for is read
        return mark

    async def close(self) -> None:
        """End what is being read, and close the connection."""
        await self._together.end()
        await self._let_go()

    async def _read(self, names: object) -> Mapping[str, Mark]:
        del names
        if self._connection is None or has_ended(self._connection):
            await self._let_go()
            self._connection = await connect_async(
                self._url, process="api", role="tonne_read", autocommit=True, any_schema=True
            )
        return {"": await Mark.read(self._connection)}

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@dataclass(kw_only=True, slots=True, eq=False)
class _Read:
    """A read that is open at the standby."""

    #: what ends it; its connection goes back where it came from
    ending: Callable[[], Coroutine[Any, Any, None]]
    driver: psycopg.BaseConnection[Any]
    began_s: float = field(default_factory=time.monotonic)


class Standby:
    """A server that follows the primary, or several of which any may answer."""

    def __init__(self, url: str, primary_url: str, *, connections: int) -> None:
        self._url = url
        self._pool = reading_pool(url, process="api", connections=connections, server="standby")
        self._in_threads = ReadingConnections(url, process="api", idle=_IDLE, server="standby")
        self._marks = Marks(primary_url)
        #: why nobody asks it just now; None: it answers
        self.unused: str | None = "away"
        self._open: set[_Read] = set()
        #: what is being begun and nobody waits for any more
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._looking: psycopg.AsyncConnection[Any] | None = None
        api_standby_used.set(0)

    @staticmethod
    def may_serve() -> bool:
        """Return whether who asks now may be answered by a standby."""
        request = place.get()
        return request is not None and not request.at_primary

    # -- reading ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def read(
        self, at_primary: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    ) -> AsyncIterator[AsyncConnection]:
        """Open one state of the standby, or take a connection to the primary.

        :raises AskPrimaryError: the standby could not go on.
        """
        begun = await self._begun(self._begin)
        if begun is None:
            async with at_primary() as connection:
                yield connection
            return
        connection, read = begun
        try:
            yield connection
        except _FAILURES as error:
            self._failed(error)
            if not self.may_serve():
                # it has written since: to begin anew would write again
                raise
            raise AskPrimaryError from error
        finally:
            await self._end(read)
        api_reads.labels("standby").inc()

    async def read_in_thread(
        self,
        ask: Callable[[psycopg.Connection[Any]], Result],
        at_primary: Callable[[], Awaitable[Result]],
    ) -> Result:
        """Ask one state of the standby, or the primary, where the standby cannot answer."""
        begun = await self._begun(self._begin_in_thread)
        if begun is None:
            return await at_primary()
        connection, read = begun
        try:
            result = await run_in_threadpool(ask, connection)
        except _FAILURES as error:
            self._failed(error)
        else:
            api_reads.labels("standby").inc()
            return result
        finally:
            await self._end(read)
        return await at_primary()

    async def _begun(self, begin: Callable[[_Stage], Awaitable[Result]]) -> Result | None:
        """Begin a read; None: it is the primary's, for a reason that is counted."""
        if self.unused is not None:
            self._leave(self.unused)
            return None
        began_s, stage = time.perf_counter(), _Stage()
        beginning = asyncio.ensure_future(begin(stage))
        try:
            await asyncio.wait({beginning}, timeout=_BEGINS_WITHIN_S)
        except asyncio.CancelledError:
            # it may have begun in this very moment
            self._abandon(beginning)
            raise
        if not beginning.done():
            self._abandon(beginning)
            self._rest(stage.silent)
            self._leave(stage.silent)
            return None
        try:
            begun = beginning.result()
        except _NotServedError as error:
            self._rest(str(error))
            self._leave(str(error))
            return None
        api_fence_seconds.observe(time.perf_counter() - began_s)
        return begun

    async def _begin(self, stage: _Stage) -> tuple[AsyncConnection, _Read]:
        mark = await self._first_mark(stage)
        try:
            connection = await self._pool.connect()
        except (*_FAILURES, OSError, TimeoutError) as error:
            raise _NotServedError("away") from error
        driver = cast(
            "psycopg.AsyncConnection[Any]",
            (await connection.get_raw_connection()).driver_connection,
        )

        async def close() -> None:
            try:
                await driver.rollback()
            except psycopg.Error:
                # nobody is to have it next
                await connection.invalidate()
            finally:
                await connection.close()

        read = _Read(ending=close, driver=driver)
        await self._fence(read, mark, lambda message: standby.asked_async(driver, message))
        return connection, read

    async def _begin_in_thread(self, stage: _Stage) -> tuple[psycopg.Connection[Any], _Read]:
        mark = await self._first_mark(stage)
        stack = ExitStack()
        try:
            connection = await run_in_threadpool(stack.enter_context, self._in_threads.reading())
        except (*_FAILURES, SchemaError, OSError) as error:
            raise _NotServedError("away") from error

        async def close() -> None:
            await run_in_threadpool(_given_back, stack, connection)

        read = _Read(ending=close, driver=connection)
        await self._fence(
            read, mark, lambda message: run_in_threadpool(standby.asked, connection, message)
        )
        return connection, read

    async def _first_mark(self, stage: _Stage) -> Mark:
        mark = await self._mark()
        stage.is_marked = True
        return mark

    async def _mark(self) -> Mark:
        try:
            return await self._marks.now()
        except (*_FAILURES, SchemaError, OSError) as error:
            # whoever asks it next is told what is wrong with it
            raise _NotServedError("primary-away") from error

    async def _fence(self, read: _Read, mark: Mark, ask: Ask) -> None:
        """Open a snapshot that shows what the primary shows.

        :raises _NotServedError: it could not be had at once; nothing is left open.
        """
        self._open.add(read)
        try:
            await self._snapshot(mark, ask)
        except _FAILURES as error:
            await self._end(read)
            raise _NotServedError(standby.reason_of(error)) from error
        except BaseException:
            await self._end(read)
            raise

    async def _snapshot(self, mark: Mark, ask: Ask) -> None:
        until_s, pause_s = time.monotonic() + _CATCHES_UP_WITHIN_S, _PAUSE_S
        while True:
            standing = standby.standing(await ask(standby.begin(mark)))
            if standing.refusal is not None:
                raise _NotServedError(standing.refusal)
            if standing.has_replayed:
                break
            await ask("ROLLBACK")
            pause_s = await _paused(pause_s, until_s, "behind")
        is_ahead, pause_s = standing.is_ahead, _PAUSE_S
        while is_ahead:
            mark = await self._mark()
            ((is_ahead,),) = await ask(standby.is_ahead(mark))
            if is_ahead:
                pause_s = await _paused(pause_s, until_s, "ahead")

    async def _end(self, read: _Read) -> None:
        self._open.discard(read)
        try:
            # whoever is cancelled leaves nothing half given back
            await asyncio.shield(asyncio.create_task(read.ending()))
        except (*_FAILURES, OSError):
            # it has ended by itself
            log.debug("standby_connection_ended")

    def _abandon(self, beginning: asyncio.Future[Any]) -> None:
        """Let what is being begun end by itself, and give back what it has then."""

        async def give_back() -> None:
            try:
                _, read = await beginning
            except (_NotServedError, asyncio.CancelledError):
                return
            await self._end(read)

        task = asyncio.create_task(give_back())
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)

    # -- whether it is asked ---------------------------------------------------------------------

    def _leave(self, reason: str) -> None:
        api_fallbacks.labels(reason).inc()
        api_reads.labels("primary").inc()

    def _failed(self, error: BaseException) -> None:
        """Take note of what it raised in the midst of a read."""
        reason = standby.reason_of(error)
        self._leave(reason)
        if reason == "away":
            self._rest(reason)

    def _rest(self, reason: str) -> None:
        """Ask it nothing more, until it is found to answer."""
        if self.unused is None and reason not in {"primary-away", "conflict", "slow"}:
            log.warning("standby_rests", reason=reason)
            self.unused = reason
            api_standby_used.set(0)
            # what is open leads to this server, and another one may be a standby by now: whoever
            # comes next looks for one
            open_connections.cut(self._url, sparing={read.driver for read in self._open})

    async def watch(self) -> None:
        """Look until cancelled whether it answers, and cut who waits for it in vain."""
        try:
            while True:
                await self._look()
                self._cut_long_reads()
                await asyncio.sleep(_LOOKS_EVERY_S)
        finally:
            await self._let_go()

    async def _look(self) -> None:
        stage = _Stage()
        looking = asyncio.create_task(self._try(stage))
        try:
            await asyncio.wait({looking}, timeout=2 * _BEGINS_WITHIN_S)
            if stage.is_marked and not looking.done():
                self._rest("hangs")
                ended = open_connections.cut(self._url)
                log.warning("standby_hangs", connections=ended)
                await asyncio.wait({looking}, timeout=_BEGINS_WITHIN_S)
        finally:
            if not looking.done():
                looking.cancel()
            (error,) = await asyncio.gather(looking, return_exceptions=True)
        if error is None:
            if self.unused is not None:
                log.info("standby_answers")
            self.unused = None
            api_standby_used.set(1)
            return
        await self._let_go()
        if isinstance(error, _NotServedError):
            reason = str(error)
        elif isinstance(error, asyncio.CancelledError):
            reason = stage.silent
        elif isinstance(error, (*_FAILURES, SchemaError, OSError)):
            reason = standby.reason_of(error)
        else:
            raise error
        self._rest(reason)
        if reason != "primary-away" and self.unused is not None:
            self.unused = reason

    async def _try(self, stage: _Stage) -> None:
        """Open a snapshot on a connection of its own.

        :raises _NotServedError: it would not answer a read.
        """
        mark = await self._first_mark(stage)
        if self._looking is None or has_ended(self._looking):
            await self._let_go()
            self._looking = await connect_async(
                self._url, process="api", role="tonne_read", autocommit=True, server="standby"
            )
        connection = self._looking
        await self._snapshot(mark, lambda message: standby.asked_async(connection, message))
        await connection.rollback()

    def _cut_long_reads(self) -> None:
        before_s = time.monotonic() - _LONGEST_READ_S
        for read in [read for read in self._open if read.began_s < before_s]:
            open_connections.shut_down(read.driver)

    async def _let_go(self) -> None:
        connection, self._looking = self._looking, None
        if connection is not None:
            await connection.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._abandoned or self._open:
            open_connections.cut(self._url)
        await asyncio.gather(*self._abandoned, return_exceptions=True)
        await self._marks.close()
        await self._pool.dispose()
        self._in_threads.close()


async def _paused(pause_s: float, until_s: float, reason: str) -> float:
    """Wait a little, and return how long to wait the next time.

    :raises _NotServedError: there is no time left.
    """
    if time.monotonic() + pause_s > until_s:
        raise _NotServedError(reason)
    await asyncio.sleep(pause_s)
    return 2 * pause_s


def _given_back(stack: ExitStack, connection: psycopg.Connection[Any]) -> None:
    with stack:
        if not connection.closed:
            connection.rollback()
