"""Streams end with the key that opened them: revoked, expired or deleted."""

from __future__ import annotations

import asyncio

import structlog

from services.api.database import Database
from services.api.http.errors import DATABASE_ERRORS
from services.api.live.feed import LiveFeed
from services.core.store.operations import keys

log = structlog.get_logger()

#: A stream may outlive its key by this and one query.
_LOOK_EVERY_S = 2.0


class StandingKeys:
    """Looks which keys of open streams are still in force: one query for all of them."""

    def __init__(self, database: Database, feed: LiveFeed) -> None:
        self._database = database
        self._feed = feed

    async def watch(self) -> None:
        """Look until cancelled. While the database is away streams tell nothing new anyway."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if ids := self._feed.key_ids():
                try:
                    async with self._database.read() as connection:
                        ended = await keys.lapsed(connection, ids)
                except DATABASE_ERRORS as error:
                    log.warning("keys_unknown", error=str(error))
                    continue
                self._feed.end_keys(ended)
