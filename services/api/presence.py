"""Whether a database answers, and who waits for it: nobody waits long for one that hangs.

Of a database that refuses, whoever asks is told by itself. Of one that hangs a pulse tells: who
asks it is refused at once from then on, and the connections of those who wait are cut.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import psycopg
import structlog

from services.core.runtime import tasks
from services.core.runtime.metrics import api_cell_cut, api_cell_up
from services.core.store.database import open_connections
from services.core.store.database.pulse import Patience, Pulse

log = structlog.get_logger()

Result = TypeVar("Result")

#: A database that did not answer counts as away for so long. What looks after it finds out sooner
#: that it answers, or says again that it does not.
_AWAY_S: Final = 6.0
#: Nobody waits for what takes longer, or asks the database for anything more.
PATIENCE: Final = Patience(answers_within_s=3.0, cut_after_s=2.0)


class HangingError(psycopg.OperationalError):
    """The database takes connections and answers nothing."""

    def __init__(self) -> None:
        super().__init__("the database takes connections and answers nothing")


class Presence:
    """What is known of one database; ``cell``: its name, that of home where there are no cells."""

    def __init__(self, cell: str, url: str) -> None:
        self._cell = cell
        self._url = url
        self._away_until_s = 0.0
        #: set while it does not hang
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        #: what is awaited of it, and is told when it hangs
        self._awaited: set[asyncio.Future[None]] = set()
        #: what nobody awaits any more and has not ended
        self._abandoned: set[asyncio.Future[Any]] = set()
        api_cell_up.labels(cell).set(1)

    @property
    def is_away(self) -> bool:
        """Whether it did not answer lately."""
        return time.monotonic() < self._away_until_s

    def check(self) -> None:
        """Let nobody ask it anything while it hangs.

        :raises HangingError: it does.
        """
        if self.is_hanging:
            raise HangingError

    @property
    def is_hanging(self) -> bool:
        """Whether it takes connections and answers nothing."""
        return not self._goes_on.is_set()

    async def goes_on(self) -> None:
        """Wait until it does not hang."""
        await self._goes_on.wait()

    def pulse(self) -> Pulse:
        """Build what finds out."""
        return Pulse(self._url, self, patience=PATIENCE, process="api", role="tonne_read")

    # -- what is found out -----------------------------------------------------------------------

    def alive(self) -> None:
        """Take note that it answers."""
        if self._away_until_s:
            log.info("database_answers", cell=self._cell)
        self._away_until_s = 0.0
        self._goes_on.set()
        api_cell_up.labels(self._cell).set(1)

    def silent(self) -> None:
        """Take note that it does not answer."""
        if not self.is_away:
            log.warning("database_away", cell=self._cell)
        api_cell_up.labels(self._cell).set(0)
        self._away_until_s = time.monotonic() + _AWAY_S

    def refuses(self) -> None:
        """Take note that it does not hang: who asks it by a connection that is open may."""
        self._goes_on.set()

    def hangs(self) -> None:
        """Take note that it takes statements and answers nothing: nobody waits for it."""
        self.silent()
        self._goes_on.clear()
        for hanging in self._awaited:
            if not hanging.done():
                hanging.set_result(None)

    def gives_up(self) -> None:
        """Take note that who waits for it is let go."""

    def cut(self, connections: int) -> None:
        """Take note of how many connections were cut."""
        api_cell_cut.labels(self._cell).inc(connections)

    # -- waiting for it --------------------------------------------------------------------------

    async def unless_it_hangs(
        self,
        work: Awaitable[Result],
        *,
        within_s: float | None = None,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Result:
        """Await what it does, for as long as it answers.

        What is left ends by itself, when its connection is cut. ``may_leave``: whether it may be
        left by now.

        :raises HangingError: it hangs, or takes longer.
        """
        task = asyncio.ensure_future(work)
        hanging = asyncio.get_running_loop().create_future()
        self._awaited.add(hanging)
        either: set[asyncio.Future[Any]] = {task, hanging}
        try:
            await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done() or not may_leave():
                return await task
        except asyncio.CancelledError:
            # whoever asks next has the place, and the connection
            task.cancel()
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            raise
        finally:
            self._awaited.discard(hanging)
            if not task.done():
                task.cancel()
                self._abandoned.add(task)
                task.add_done_callback(self._forget)
        raise HangingError

    def _forget(self, task: asyncio.Future[Any]) -> None:
        """Let nobody complain that nobody waited for it."""
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()

    async def end(self) -> None:
        """End what still waits for it, a thread too: it has a connection."""
        if self._abandoned or self.is_hanging:
            open_connections.cut(self._url)
        await tasks.end(*self._abandoned)
