"""States of live totals are read for all who ask at once, never before somebody asked."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection
from typing import Any

import psycopg
import pytest

from services.api import states
from services.api.states import AnswerStates
from services.core.store.answers.answer_states import AnswerState, LiveState


class Statements:
    """Stand in for the database; each statement waits until it is let, and may fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[set[str]] = []
        self.begun = asyncio.Event()
        self.let = asyncio.Event()
        self.error: psycopg.Error | None = None
        monkeypatch.setattr(states, "live_states", self._read)
        monkeypatch.setattr(states, "facility_states", self._read)
        monkeypatch.setattr(AnswerStates, "_connected", self._connected)
        #: how often the connection was looked at
        self.looks = 0

    async def _connected(self) -> None:
        self.looks += 1

    async def _read(
        self, _connection: object, facilities: Collection[str], **_keys: Any
    ) -> dict[str, LiveState]:
        self.asked.append(set(facilities))
        self.begun.set()
        await self.let.wait()
        if self.error is not None:
            raise self.error
        answer = AnswerState(revision=len(self.asked), totals="", alerts="")
        state = LiveState(answer=answer, bands_follow_readings=False, has_alerts=False)
        return {facility: state for facility in facilities if facility != "gone"}


async def revision(reader: AnswerStates, facility: str) -> int | None:
    state = await reader.live(facility)
    return None if state is None else state.answer.revision


async def test_who_asks_meanwhile_is_told_by_the_next_statement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statements, reader = Statements(monkeypatch), AnswerStates("")
    first = asyncio.create_task(revision(reader, "linz"))
    await statements.begun.wait()
    names = ["linz", "graz", "gone", "linz", "graz"]
    others = [asyncio.create_task(revision(reader, name)) for name in names]
    await asyncio.sleep(0)
    # he leaves, and what the others are told is none of his
    others[0].cancel()
    statements.let.set()
    assert await first == 1
    assert await asyncio.gather(*others[1:]) == [2, None, 2, 2]
    assert statements.asked == [{"linz"}, {"linz", "graz", "gone"}]


async def test_what_fails_fails_for_all_who_asked_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statements, reader = Statements(monkeypatch), AnswerStates("")
    statements.let.set()
    statements.error = psycopg.OperationalError("away")
    told = await asyncio.gather(
        *(revision(reader, "linz") for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(error, psycopg.OperationalError) for error in told)
    statements.error = None
    assert await revision(reader, "linz") == 2


async def test_what_fails_for_nobody_who_still_waits_is_no_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_exception_handler", complaints.append)
    statements, reader = Statements(monkeypatch), AnswerStates("")
    statements.error = psycopg.OperationalError("away")
    asking = asyncio.create_task(revision(reader, "linz"))
    await statements.begun.wait()
    asking.cancel()
    await asyncio.wait({asking})
    statements.let.set()
    del asking
    with pytest.raises(psycopg.OperationalError):
        await revision(reader, "graz")
    gc.collect()
    assert complaints == []


async def test_the_connection_is_looked_at_while_no_statement_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statements, reader = Statements(monkeypatch), AnswerStates("")
    live = asyncio.create_task(reader.live("linz"))
    await statements.begun.wait()
    totals = asyncio.create_task(reader.totals("linz"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert statements.looks == 1
    statements.let.set()
    await asyncio.gather(live, totals)
    assert statements.looks == 2
