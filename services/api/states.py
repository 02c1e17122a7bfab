"""What answers follow from, read by one statement for all who ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import psycopg

from services.api.presence import Presence
from services.api.together import Together
from services.core.store.alerts.queries import ALERTS_SHOWN_FOR
from services.core.store.answers.answer_states import (
    AnswerState,
    LiveState,
    facility_states,
    live_states,
)
from services.core.store.database.connect import connect_async, has_ended


class AnswerStates:
    """Reads states of facilities on a connection of its own, which opens when it is needed."""

    def __init__(self, url: str, presence: Presence | None = None) -> None:
        self._url = url
        self._presence = presence
        self._connection: psycopg.AsyncConnection[Any] | None = None
        #: one statement at a time: whether the connection has ended, shows while nobody uses it
        self._using = asyncio.Lock()
        self._live = Together(self._read_live)
        self._totals = Together(self._read_totals)

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
        if self._presence is not None:
            self._presence.check()
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
