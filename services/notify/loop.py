"""The notifier's main loop: every recipient with due messages gets a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog

from services.core.facility.recipients import MQTT, kind_of
from services.core.runtime import metrics, service_manager, tasks
from services.core.runtime.backoff import Backoff
from services.core.runtime.steady_time import SteadyTime
from services.core.store.alerts.outbox_delivery import Outbox
from services.core.store.database import notify
from services.core.store.database.connect import connect_async
from services.core.store.database.database_time import look_async
from services.core.store.database.progress import ProgressReporter
from services.core.store.registry import read
from services.notify.channel import Channel
from services.notify.heartbeat import Pulse
from services.notify.homeassistant.announcer import Announcer
from services.notify.links import page_of
from services.notify.recipients import Recipients, listed
from services.notify.retry import LONGEST_S
from services.notify.suspended_recipients import SuspendedRecipients, set_aside_notices
from services.notify.worker import Worker

log = structlog.get_logger()

#: Longest wait without looking: a lost notification costs no more than this.
_LOOK_S = 1.0
_FORGET_EVERY_S = 3600.0


class Notifier:
    """Delivers the outbox until asked to stop; any number of notifiers may run side by side."""

    def __init__(
        self,
        database_url: str,
        *,
        channel_to: Callable[[str], Channel],
        clock: SteadyTime,
        progress: ProgressReporter,
        mails: bool = True,
        public_url: str | None = None,
        announcer: Announcer | None = None,
    ) -> None:
        """Create it; ``channel_to`` opens a channel to a target; ``mails``: mail is configured.

        ``public_url``: where people reach the dashboard, which messages link to;
        ``announcer``: publishes totals while the channel to topics is open.
        """
        self._url = database_url
        self._channel_to = channel_to
        self._clock = clock
        self._progress = progress
        self._mails = mails
        self._public_url = public_url
        self._announcer = announcer
        self._pulse = Pulse(clock)
        self._recipients = Recipients()
        self._revision = -1
        self._workers: dict[str, Worker] = {}
        self._look = asyncio.Event()
        self._stopping = asyncio.Event()
        self._forget_at_s = 0.0
        self._seen_turns = -1
        self._suspended = SuspendedRecipients()

    def stop(self) -> None:
        """Finish messages in flight and return from :meth:`run`."""
        self._stopping.set()
        self._look.set()

    async def run(self) -> None:
        """Work; wait while the database is away.

        :raises ExceptionGroup: an error of neither a recipient nor the database.
        """
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                await self._session(backoff)
            except* psycopg.OperationalError as group:
                metrics.notify_database_retries.inc()
                delay_s = backoff.next_s()
                log.warning(
                    "database unreachable, will retry",
                    error=str(_first(group)).strip(),
                    in_s=round(delay_s, 2),
                )
                # to wait for the database is work: a restart would not bring it back
                service_manager.tell(ready=False)
                await tasks.happens(self._stopping, delay_s)

    async def _session(self, backoff: Backoff) -> None:
        """Work on one pair of connections; every lock is lost with the first of them."""
        self._revision = -1
        self._workers = {}
        async with (
            await self._connect() as connection,
            await self._connect() as listener,
            asyncio.TaskGroup() as group,
        ):
            await notify.listen_async(listener, notify.OUTBOX, notify.REGISTRY)
            listening = group.create_task(self._listen(listener))
            log.info("delivering messages from the outbox")
            outbox = Outbox(connection)
            while not self._stopping.is_set():
                self._look.clear()
                await self._run_once(connection, outbox, group)
                backoff.reset()
                await tasks.happens(self._look, _LOOK_S)
            while self._workers:
                self._look.clear()
                for worker in self._workers.values():
                    worker.stop()
                await self._look.wait()
            await self._progress.forget_async(connection)
            listening.cancel()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await connect_async(
            self._url, process="notify", role="tonne_notify", autocommit=True
        )

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async for _ in connection.notifies():
            self._look.set()

    async def _run_once(
        self, connection: psycopg.AsyncConnection[Any], outbox: Outbox, group: asyncio.TaskGroup
    ) -> None:
        await self._follow_clock(connection, outbox)
        await self._follow_registry(connection)
        if self._progress.due:
            await self._report(connection, outbox)
        if time.monotonic() >= self._forget_at_s:
            self._forget_at_s = time.monotonic() + _FORGET_EVERY_S
            await outbox.forget()
        repeating = {t for t in self._recipients.targets() if kind_of(t) == "alertmanager"}
        announcing = {MQTT} if self._announces else set()
        for target in await outbox.due_targets() | self._pulse.targets() | repeating | announcing:
            if target in self._workers:
                self._workers[target].wake()
            elif self._suspended.may_try(target) and await outbox.take(target):
                await self._begin(target, connection, outbox, group)

    @property
    def _announces(self) -> bool:
        """Whether totals are to be published at topics, or taken back."""
        return self._announcer is not None and (
            bool(self._recipients.announced) or self._announcer.is_at_work
        )

    async def _begin(
        self,
        target: str,
        connection: psycopg.AsyncConnection[Any],
        outbox: Outbox,
        group: asyncio.TaskGroup,
    ) -> None:
        try:
            worker = Worker(
                target,
                channel=self._channel_to(target),
                outbox=outbox,
                pulse=self._pulse,
                clock=self._clock,
                recipients=lambda: self._recipients,
                follow_registry=lambda: self._follow_registry(connection),
                stays=lambda: target == MQTT and self._announces,
                link=lambda facility: page_of(self._public_url, facility),
            )
        except Exception as error:  # noqa: BLE001 - it is logged there, and others go on
            self._suspended.suspend(target, error)
            await outbox.release(target)
            return
        self._workers[target] = worker
        group.create_task(self._work(target, worker, outbox))

    async def _work(self, target: str, worker: Worker, outbox: Outbox) -> None:
        try:
            await worker.run()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._suspended.suspend(target, error)
        else:
            self._suspended.clear(target)
        del self._workers[target]
        await outbox.release(target)
        self._look.set()

    async def _follow_clock(self, connection: psycopg.AsyncConnection[Any], outbox: Outbox) -> None:
        """Make postponed messages due if the clock jumped: they were dated by a wrong time."""
        await look_async(connection, self._clock)
        if self._clock.turns != self._seen_turns:
            first = self._seen_turns < 0
            self._seen_turns = self._clock.turns
            due = await outbox.due_again(max_s=LONGEST_S if first else 0.0)
            if due:
                log.warning("the clock was wrong; retrying pending messages now", messages=due)

    async def _follow_registry(self, connection: psycopg.AsyncConnection[Any]) -> None:
        revision = await read.revision_async(connection)
        if revision != self._revision:
            self._recipients = await listed(connection)
            self._pulse.update(self._recipients)
            self._revision = revision

    async def _report(self, connection: psycopg.AsyncConnection[Any], outbox: Outbox) -> None:
        await self._pulse.check(connection)
        pending, oldest_s = await outbox.pending()
        metrics.notify_waiting.set(pending)
        metrics.notify_oldest_seconds.set(oldest_s)
        await self._progress.report_async(
            connection,
            {
                "mail": self._mails,
                "waiting": pending,
                "oldest_s": round(oldest_s, 3),
                "notices": [
                    *self._clock.notices(),
                    *self._suspended.notices(),
                    *set_aside_notices(*await outbox.set_aside()),
                    *([] if self._announcer is None else self._announcer.notices()),
                ],
            },
        )


def _first(group: BaseExceptionGroup[psycopg.OperationalError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
