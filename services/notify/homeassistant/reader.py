"""Reads a facility's totals and makes the two messages of them: one statement for each state."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.answers.live import facility_live
from services.core.store.answers.source_uncertainty import SourceAccount, source_accounts
from services.core.store.database.connect import async_engine
from services.notify.homeassistant.announced import Announced, Messages
from services.notify.homeassistant.discovery import discovery_message
from services.notify.homeassistant.totals import sensed_sources, totals_of


class Reader:
    """Reads with a connection of its own; which sources count is read once for each revision."""

    def __init__(self, database_url: str) -> None:
        self._engine = async_engine(
            database_url,
            process="notify",
            role="tonne_notify",
            pool_size=1,
            max_overflow=0,
            autocommit=True,
        )
        #: by facility, with the registry's revision
        self._accounts: dict[str, tuple[int, dict[str, SourceAccount]]] = {}

    async def read(
        self,
        facility: Announced,
        now: datetime,
        *,
        revision: int,
        expire_after_s: int,
        page: str | None,
    ) -> Messages | None:
        """Return the messages of a facility at ``now``; None: it is not in force any more."""
        async with self._engine.connect() as connection:
            state = await facility_live(connection, facility.slug, now=now)
            if state is None:
                return None
            accounts = await self._accounts_of(connection, facility.slug, revision)
        sensed = sensed_sources(state, accounts)
        names = {source.slug: source.name for source in sensed}
        return Messages(
            discovery=_json(
                discovery_message(
                    facility.slug,
                    name=facility.name,
                    sources=names,
                    gone=[s.slug for s in state.sources if s.slug not in names],
                    expire_after_s=expire_after_s,
                    page=page,
                )
            ),
            totals=_json(totals_of(state, accounts, announced_at=facility.topic)),
        )

    async def _accounts_of(
        self, connection: AsyncConnection, facility: str, revision: int
    ) -> dict[str, SourceAccount]:
        of_revision, accounts = self._accounts.get(facility, (None, {}))
        if of_revision != revision:
            accounts = await source_accounts(connection, facility)
            self._accounts[facility] = revision, accounts
        return accounts

    async def close(self) -> None:
        """Close the connection."""
        await self._engine.dispose()


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
