"""Wake the live feed when the database says that totals changed."""

from __future__ import annotations

import asyncio

import psycopg
import structlog
from psycopg import sql

from services.api.live_feed import LiveFeed
from services.core.runtime.backoff import Backoff
from services.core.store import notify
from services.core.store.connect import connect_async

log = structlog.get_logger()


async def listen(database_url: str, feed: LiveFeed) -> None:
    """Pass notifications on until cancelled; reconnects when the database was away."""
    backoff = Backoff()
    while True:
        try:
            async with await connect_async(
                database_url, process="api", role="tonne_read", autocommit=True
            ) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(notify.LIVE)))
                backoff.reset()
                # what was notified while nobody listened
                feed.all_changed()
                async for notification in connection.notifies():
                    feed.changed(notification.payload)
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
            log.warning("listen_interrupted", error=str(error))
        await asyncio.sleep(backoff.next_s())
