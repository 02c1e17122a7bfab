"""Streams end with the key that opened them: revoked, expired or deleted."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.live.feed import LiveFeed
from services.core.store.operations import keys

log = structlog.get_logger()

#: A stream may outlive its key by this and one query.
_LOOK_EVERY_S = 2.0


class StandingKeys:
    """Looks which keys of open streams are still in force: one query for all of them."""

    def __init__(self, engine: AsyncEngine, feed: LiveFeed) -> None:
        self._engine = engine
        self._feed = feed

    async def watch(self) -> None:
        """Look until cancelled. While the database is away streams tell nothing new anyway."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if ids := self._feed.key_ids():
                try:
                    async with self._engine.connect() as connection:
                        ended = await keys.lapsed(connection, ids)
                except (DBAPIError, PoolTimeoutError, OSError) as error:
                    log.warning("keys_unknown", error=str(error))
                    continue
                self._feed.end_keys(ended)
