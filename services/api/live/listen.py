"""Wake the live feed when the database says that totals changed, and keep its time."""

from __future__ import annotations

import asyncio

import structlog

from services.api.http.errors import DATABASE_ERRORS, passes
from services.api.live.feed import LiveFeed
from services.api.presence import Presence
from services.core.runtime import tracing
from services.core.runtime.backoff import Backoff
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import notify
from services.core.store.database.connect import connect_async
from services.core.store.database.database_time import look_async

log = structlog.get_logger()


#: How often the database's clock is looked at.
_LOOK_EVERY_S = 1.0


async def listen(
    database_url: str, feed: LiveFeed, presence: Presence, steady: SteadyTime | None = None
) -> None:
    """Pass notifications on until cancelled; reconnects when the database was away or not migrated.

    ``presence``: of that database; ``steady`` is shown the database's clock all the time.
    """
    backoff, steps = Backoff(), tracing.StepsBefore()
    while True:
        try:
            async with await connect_async(
                database_url, process="api", role="tonne_read", autocommit=True
            ) as connection:
                await notify.listen_async(connection, notify.LIVE)
                if tracing.enabled():
                    await notify.listen_async(connection, notify.TRACED_TOTALS)
                backoff.reset()
                # what was notified while nobody listened
                feed.all_changed()
                while True:
                    if steady is not None:
                        await look_async(connection, steady)
                    async for notification in connection.notifies(timeout=_LOOK_EVERY_S):
                        if notification.channel == notify.TRACED_TOTALS:
                            steps.note(notification.payload)
                            continue
                        facility = notification.payload
                        with tracing.step("api.event", steps.take(facility), facility=facility):
                            feed.changed(facility)
        except DATABASE_ERRORS as error:
            if not passes(error):
                raise
            log.warning("listen_interrupted", error=str(error))
        await asyncio.sleep(backoff.next_s())
        if presence.is_hanging:
            await presence.goes_on()
            backoff.reset()
