"""Streams end with the key or session that opened them: revoked, expired or signed out of."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.database import Database
from services.api.http.errors import DATABASE_ERRORS
from services.api.live.credentials import Credential
from services.api.live.feed import LiveFeed
from services.core.store.operations import keys
from services.core.store.people import sessions

log = structlog.get_logger()

#: A stream may outlive its key by this and one query.
_LOOK_EVERY_S = 2.0


class StandingKeys:
    """Looks which keys and sessions of open streams are still in force: one query for each kind."""

    def __init__(self, database: Database, feed: LiveFeed) -> None:
        self._database = database
        self._feed = feed

    async def watch(self) -> None:
        """Look until cancelled. While the database is away streams tell nothing new anyway."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if opened := self._feed.credentials():
                try:
                    async with self._database.read() as connection:
                        ended = await _ended(connection, opened)
                except DATABASE_ERRORS as error:
                    log.warning("keys_unknown", error=str(error))
                    continue
                self._feed.end_credentials(ended)


async def _ended(connection: AsyncConnection, opened: Collection[Credential]) -> set[Credential]:
    ended: set[Credential] = set()
    for kind, lapsed in (("key", keys.lapsed), ("session", sessions.lapsed)):
        if ids := {credential.id for credential in opened if credential.kind == kind}:
            over = await lapsed(connection, ids)
            ended |= {c for c in opened if c.kind == kind and c.id in over}
    return ended
