"""What answers follow from, read by one statement for all who ask at once.

Who asks while a statement is under way waits for the next one, with all the others who do: the
state that he is told was read after he asked, and many who ask cost as much as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

import psycopg

from services.core.runtime import tasks
from services.core.store.alerts.queries import ALERTS_SHOWN_FOR
from services.core.store.answers.answer_states import (
    AnswerState,
    LiveState,
    facility_states,
    live_states,
)
from services.core.store.database.connect import connect_async, has_ended

State = TypeVar("State")


class AnswerStates:
    """Reads states of facilities on a connection of its own, which opens when it is needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        #: one statement at a time: whether the connection has ended, shows while nobody uses it
        self._using = asyncio.Lock()
        self._live = _Together(self._read_live)
        self._totals = _Together(self._read_totals)

    async def live(self, facility: str) -> LiveState | None:
        """Return what the live totals of a facility follow from; None: it is not in force."""
        return await self._live.state(facility)

    async def totals(self, facility: str) -> AnswerState | None:
        """Return what the emissions of a facility follow from; None: there is no such facility."""
        return await self._totals.state(facility)

    async def close(self) -> None:
        """End what is being read, which could open a connection again, and close the connection."""
        await self._live.end()
        await self._totals.end()
        await self._let_go()

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _read_live(self, facilities: Collection[str]) -> Mapping[str, LiveState]:
        async with self._using:
            connection = await self._connected()
            return await live_states(connection, facilities, alerts_shown_for=ALERTS_SHOWN_FOR)

    async def _read_totals(self, facilities: Collection[str]) -> Mapping[str, AnswerState]:
        async with self._using:
            return await facility_states(await self._connected(), facilities)

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or has_ended(self._connection):
            await self._let_go()
            # the same two statements again and again: to plan one takes longer than to run it
            self._connection = await connect_async(
                self._url,
                process="api",
                role="tonne_read",
                autocommit=True,
                any_schema=True,
                one_plan=True,
            )
        return self._connection


class _Together(Generic[State]):
    """Reads the states of all facilities that are asked for meanwhile, one batch at a time."""

    def __init__(self, read: Callable[[Collection[str]], Awaitable[Mapping[str, State]]]) -> None:
        self._read = read
        #: what the next statement is to tell, by facility
        self._asked: dict[str, asyncio.Future[State | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def state(self, facility: str) -> State | None:
        """Return the state of a facility, read from now on; None: it has none."""
        answer = self._asked.get(facility)
        if answer is None:
            answer = self._asked[facility] = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_on())
        # who hangs up leaves the others what they asked for
        return await asyncio.shield(answer)

    async def end(self) -> None:
        """End the reading, when nobody waits for it any more."""
        await tasks.end(self._reading)

    async def _read_on(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                states = await self._read(asked)
            except Exception as error:  # noqa: BLE001 - each who asked is told
                for answer in asked.values():
                    answer.set_exception(error)
                    # nobody may wait for it any more, which is no fault that a log should tell
                    answer.exception()
            else:
                for facility, answer in asked.items():
                    answer.set_result(states.get(facility))
