"""Bodies of live totals, each built and encoded once for a facility and its state.

Whoever polls and whoever streams is sent the same bytes; only the instant of the answer is put in.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.database import Database
from services.api.http.validators import Validator
from services.api.live.body import live_body
from services.api.live.by_minute import ByMinute, ReadHours
from services.api.live.overview import Summary, summary
from services.api.states import AnswerStates
from services.core.store.alerts.queries import is_open, live_alerts
from services.core.store.answers.answer_states import LiveState
from services.core.store.answers.balances import KnownBalances
from services.core.store.answers.live import facility_live
from services.core.store.answers.source_uncertainty import KnownAccounts

#: Facilities whose bodies are held: one of 20 sources has 60 kB.
_MAX_KEPT: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a body is to be of: the state that was read, and the validator made of it."""

    validator: Validator
    state: LiveState


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveBytes:
    """A facility's state as it is sent."""

    validator: Validator
    sequence: int
    #: the body after its first member, which is the instant
    rest: bytes
    summary: Summary
    #: alerts that are open or changed lately, with the sequence at which they did; ascending
    alerts: tuple[tuple[int, bytes], ...]

    def body(self, now: datetime) -> bytes:
        """Return the body of an answer at ``now``, JSON of one line."""
        return b'{"as_of":' + msgspec.json.encode(now) + b"," + self.rest


class LiveBodies:
    """Reads and keeps the newest body of each facility that is asked for."""

    def __init__(
        self, states: AnswerStates, accounts: KnownAccounts, read_hours: ReadHours
    ) -> None:
        self._states = states
        self._newest: OrderedDict[str, LiveBytes] = OrderedDict()
        #: who asks for what is being built waits for it
        self._building: dict[str, asyncio.Lock] = {}
        self._accounts = accounts
        self._balances = KnownBalances()
        self._by_minute = ByMinute(read_hours)

    async def state(self, facility: str, now: datetime) -> Asked | None:
        """Read the state of the body at ``now``; None: the facility is not in force."""
        state = await self._states.live(facility)
        if state is None:
            return None
        # totals change as a minute begins, data or none
        minute = int(now.timestamp()) // 60
        return Asked(validator=Validator("live", facility, state.answer, minute), state=state)

    async def read(self, database: Database, facility: str, now: datetime) -> LiveBytes | None:
        """Read the body at ``now``, its current minute included; None: it is not in force."""
        asked = await self.state(facility, now)
        return None if asked is None else await self.of_state(database, facility, asked, now)

    async def of_all(
        self, database: Database, facilities: Sequence[str], now: datetime
    ) -> list[LiveBytes | None]:
        """Return the bodies of facilities, in their order; None: it is retired meanwhile."""
        states = await asyncio.gather(*(self.state(facility, now) for facility in facilities))
        return [
            None if asked is None else await self.of_state(database, facility, asked, now)
            for facility, asked in zip(facilities, states, strict=True)
        ]

    async def of_state(
        self, database: Database, facility: str, asked: Asked, now: datetime
    ) -> LiveBytes | None:
        """Return the body of a state that :meth:`state` read, or a newer one.

        ``database``: that it is read from, unless it was read for somebody else.
        """
        lock = self._building.setdefault(facility, asyncio.Lock())
        async with lock:
            newest = self._newest.get(facility)
            if newest is None or newest.validator.tag != asked.validator.tag:
                async with database.read() as connection:
                    newest = await self._build(connection, facility, asked, now)
        if newest is not None:
            self._newest[facility] = newest
            self._newest.move_to_end(facility)
            while len(self._newest) > _MAX_KEPT:
                self._newest.popitem(last=False)
        return newest

    async def _build(
        self, connection: AsyncConnection, facility: str, asked: Asked, now: datetime
    ) -> LiveBytes | None:
        known = asked.state
        state = await facility_live(connection, facility, now=now)
        accounts = await self._accounts.read(connection, facility, known)
        revision = known.answer.revision
        stated = await self._balances.read(connection, facility, revision=revision)
        alerts = await live_alerts(connection, facility) if known.has_alerts else []
        if state is None:
            return None
        beside = await self._by_minute.read(connection, facility, now, revision=revision)
        standing = [alert for alert in alerts if is_open(alert)]
        body = {**live_body(state, accounts, standing, stated), **beside}
        del body["as_of"]
        return LiveBytes(
            validator=asked.validator,
            sequence=state.sequence,
            rest=msgspec.json.encode(body)[1:],
            summary=summary(body),
            alerts=tuple((alert["data_version"], msgspec.json.encode(alert)) for alert in alerts),
        )
