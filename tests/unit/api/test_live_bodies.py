"""A body of live totals is built once, whoever waits for it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.database import Database
from services.api.http.validators import Validator
from services.api.live.bodies import Asked, LiveBodies, LiveBytes
from services.api.live.overview import Summary
from services.api.states import AnswerStates
from services.core.store.answers.answer_states import AnswerState, LiveState
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.timeline.instants import EPOCH

SUMMARY = Summary(
    rates={}, totals={}, sources=0, sources_known=0, newest_minute=None, newest_reading=None,
    silent={}, alerts={},
)  # fmt: skip
STATE = LiveState(
    answer=AnswerState(revision=1, totals="", alerts=""),
    bands_follow_readings=False,
    has_alerts=False,
)


class Unread:
    """A database that nothing is asked of."""

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return nullcontext(cast(AsyncConnection, None))


async def _no_figures(
    connection: AsyncConnection,  # noqa: ARG001
    facility: str,  # noqa: ARG001
    at: datetime,  # noqa: ARG001
) -> dict[str, Any]:
    """Read what none of these facilities has."""
    return {}


class Bodies(LiveBodies):
    """Builds a body when it is let."""

    def __init__(self) -> None:
        super().__init__(AnswerStates("postgresql://"), KnownAccounts(), _no_figures)
        self.built: list[str] = []
        self.let: dict[str, asyncio.Event] = {}

    async def _build(
        self,
        connection: AsyncConnection,  # noqa: ARG002
        facility: str,  # noqa: ARG002
        asked: Asked,
        now: datetime,  # noqa: ARG002
    ) -> LiveBytes:
        self.built.append(asked.validator.tag)
        await self.let[asked.validator.tag].wait()
        return LiveBytes(
            validator=asked.validator, sequence=0, rest=b"}", summary=SUMMARY, alerts=()
        )


async def test_who_comes_while_others_wait_waits_with_them() -> None:
    bodies = Bodies()
    old, new = Validator("old"), Validator("new")
    bodies.let = {validator.tag: asyncio.Event() for validator in (old, new)}

    database = cast(Database, Unread())

    def ask(validator: Validator) -> asyncio.Task[LiveBytes | None]:
        asked = Asked(validator=validator, state=STATE)
        return asyncio.create_task(bodies.of_state(database, "linz", asked, EPOCH))

    first, second = ask(old), ask(new)
    await asyncio.sleep(0)
    bodies.let[old.tag].set()
    await first
    third = ask(new)
    await asyncio.sleep(0)
    bodies.let[new.tag].set()
    shared = await asyncio.gather(second, third)
    assert bodies.built == [old.tag, new.tag]
    assert shared[0] is shared[1]
