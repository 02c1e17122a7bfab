"""One recipient's worker: takes due messages, sends them in order, records the results.

Each recipient has its own, so one that hangs or fails delays no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import psycopg
import structlog

from services.core.facility.recipients import kind_of, shown
from services.core.runtime import metrics, tasks
from services.core.runtime.clock import Clock
from services.core.store.alerts.outbox_delivery import CANNOT_BE_SENT, Outbox, Row
from services.notify import retry
from services.notify.channel import Channel, DeliveryError
from services.notify.heartbeat import Pulse
from services.notify.languages import ENGLISH
from services.notify.message import TEST, Message
from services.notify.pace import Pace
from services.notify.recipients import Recipients

log = structlog.get_logger()

#: An idle worker ends after this time and releases its recipient.
_IDLE_S = 30.0
#: Longest sleep of a worker: nothing wakes it when a retry becomes due.
_LOOK_S = 1.0

#: A message is set aside with its reason after so many unexpected errors.
_MAX_UNEXPECTED = 5


class UnexpectedError(DeliveryError):
    """Sending failed for a reason that is neither the recipient's nor the network's."""


class Worker:
    """Sends one recipient its due messages while the notifier holds that recipient's lock."""

    def __init__(
        self,
        target: str,
        *,
        channel: Channel,
        outbox: Outbox,
        pulse: Pulse,
        clock: Clock,
        recipients: Callable[[], Recipients],
        follow_registry: Callable[[], Awaitable[None]],
        stays: Callable[[], bool],
        link: Callable[[str], str | None],
    ) -> None:
        """Create it.

        ``follow_registry``: brings ``recipients`` up to date; ``stays``: whether the channel is
        needed without messages too; ``link``: from a facility's id to the page that shows it.
        """
        self._target = target
        self._link = link
        self._kind = kind_of(target)
        self._channel = channel
        self._outbox = outbox
        self._pulse = pulse
        self._clock = clock
        self._recipients = recipients
        self._follow_registry = follow_registry
        self._stays = stays
        self._pace = Pace(channel.max_at_once)
        #: messages that wait because the recipient was away
        self._postponed: set[int] = set()
        self._in_flight: dict[asyncio.Task[DeliveryError | None], Row] = {}
        self._woken = asyncio.Event()
        self._stopping = False
        self._repeat_at_s = 0.0
        self._active_at_s = time.monotonic()

    def wake(self) -> None:
        """Look for due messages at once."""
        self._woken.set()

    def stop(self) -> None:
        """Take no more messages; :meth:`run` returns when those in flight are finished."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Work until asked to stop, or until idle for a while.

        :raises psycopg.OperationalError: the database went away; messages that were delivered and
            could not be marked are sent again, with the same key.
        """
        try:
            while True:
                if not self._stopping:
                    await self._send_periodic()
                    await self._take()
                if not self._in_flight and (self._stopping or self._idle):
                    return
                await self._wait()
                await self._record()
        finally:
            await tasks.end(*self._in_flight)
            await self._channel.close()

    @property
    def _idle(self) -> bool:
        is_named = self._target in self._recipients().targets()
        return (
            not (is_named and self._channel.repeat_every_s is not None)
            and not self._pulse.wanted(self._target)
            and not self._stays()
            # a new worker would not know of the pause
            and not self._paused
            and time.monotonic() - self._active_at_s > _IDLE_S
        )

    # -- due messages -------------------------------------------------------------------------

    async def _take(self) -> None:
        room = self._pace.width - len(self._in_flight)
        if room <= self._pace.width // 2:
            return
        busy = [row.id for row in self._in_flight.values()]
        # a test is sent at once, also to a recipient that is paused
        only = TEST if self._paused else None
        due = await self._outbox.due(self._target, limit=room, busy=busy, only=only)
        if due:
            # a grant or a recipient that was taken back before a message was written is not used
            # for it
            await self._follow_registry()
        for row in due:
            self._active_at_s = time.monotonic()
            message = self._message_of(row)
            if message is not None:
                if row.tries > 0:
                    metrics.notify_retries.labels(self._kind).inc()
                self._in_flight[asyncio.create_task(self._send(message))] = row
                continue
            await self._outbox.abandon(row.id, "the facility file no longer names this recipient")
            metrics.notify_abandoned.labels(self._kind).inc()
            log.warning(
                "message abandoned, the recipient is gone", key=row.key, target=shown(self._target)
            )

    def _message_of(self, row: Row) -> Message | None:
        """Return the message to send; None: the facility no longer names this recipient."""
        recipients = self._recipients()
        entry = recipients.entry(row.facility, self._target)
        if entry is None:
            return None
        return Message(
            key=row.key,
            kind=row.kind,
            facility=row.facility,
            body=row.body,
            created_at=row.created_at,
            facility_name=row.facility_name,
            timezone=row.timezone,
            link=self._link(row.facility),
            secret_env=entry.secret_env,
            may_sign=recipients.may_sign(row.facility, entry.secret_env),
            language=entry.language or ENGLISH,
        )

    @property
    def _paused(self) -> bool:
        return self._pace.paused_s(time.monotonic()) > 0

    async def _send(self, message: Message) -> DeliveryError | None:
        """Send it; return what went wrong, which must not affect other recipients."""
        try:
            await self._channel.send(message)
        except DeliveryError as error:
            return error
        except Exception as error:
            log.exception(
                "unexpected error while sending a notification", target=shown(self._target)
            )
            return UnexpectedError(f"{type(error).__name__}: {error}", only_this=True)
        return None

    async def _wait(self) -> None:
        """Wait until a message is finished, the worker is woken, or a while has passed."""
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait(
                {woken, *self._in_flight},
                timeout=_LOOK_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await tasks.end(woken)
        self._woken.clear()

    # -- results ------------------------------------------------------------------------------

    async def _record(self) -> None:
        """Record the results of finished messages."""
        done = [task for task in self._in_flight if task.done()]
        finished = [(self._in_flight[task], task.result()) for task in done]
        delivered = [row for row, error in finished if error is None]
        if delivered:
            await self._outbox.mark_delivered([row.id for row in delivered])
            self._pace.record_success()
            if any(row.kind == TEST for row in delivered):
                # somebody mended something: what a notifier before this one postponed, or what was
                # refused by itself, is tried too
                await self._outbox.all_due_now(self._target)
                self._postponed.clear()
            elif self._postponed:
                await self._outbox.due_now(self._postponed)
                self._postponed.clear()
        for row in delivered:
            metrics.notify_sent.labels(self._kind).inc()
            waited_s = (self._clock.now() - row.created_at).total_seconds()
            metrics.notify_seconds.labels(self._kind).observe(max(0.0, waited_s))
        for row, error in finished:
            if error is not None:
                await self._failed(row, error)
        # not those that finished meanwhile: they are not recorded yet
        for task in done:
            del self._in_flight[task]

    async def _failed(self, row: Row, error: DeliveryError) -> None:
        if isinstance(error, UnexpectedError) and row.tries + 1 >= _MAX_UNEXPECTED:
            # it would block its lane for ever
            await self._outbox.abandon(row.id, f"{CANNOT_BE_SENT}{error}")
            metrics.notify_abandoned.labels(self._kind).inc()
            log.error(
                "message set aside after repeated errors",
                key=row.key,
                target=shown(self._target),
                reason=str(error),
            )
            return
        if error.only_this:
            wait_s = retry.refused_wait_s(row.tries + 1)
        else:
            wait_s = self._pace.failed(time.monotonic(), error.wait_s)
            self._postponed.add(row.id)
        await self._outbox.postpone(row.id, wait_s=wait_s, reason=str(error))
        metrics.notify_failed.labels(self._kind).inc()
        log.warning(
            "notification not delivered, will retry",
            target=shown(self._target),
            key=row.key,
            tries=row.tries + 1,
            reason=str(error),
            in_s=round(wait_s, 1),
        )

    # -- heartbeats and repetitions -----------------------------------------------------------

    async def _send_periodic(self) -> None:
        """Send heartbeats and repetitions, alone: a repetition must not overtake its end."""
        now_s = time.monotonic()
        every_s = self._channel.repeat_every_s
        repeats = every_s is not None and now_s >= self._repeat_at_s
        beats = self._pulse.due(self._target, now_s)
        if self._paused or not (repeats or beats):
            return
        while self._in_flight:
            await self._wait()
            await self._record()
        if every_s is not None and repeats:
            self._repeat_at_s = now_s + every_s
            await self._attempt(self._repeat)
        for message in beats:
            if self._paused:
                return
            await self._attempt(partial(self._beat, message))

    async def _repeat(self) -> None:
        rows = await self._outbox.repeatable(self._target)
        messages = [message for row in rows if (message := self._message_of(row)) is not None]
        if messages:
            await self._channel.repeat(messages)

    async def _beat(self, message: Message) -> None:
        await self._channel.send(message)
        metrics.notify_heartbeats.inc()
        self._pulse.sent(self._target, message.facility, time.monotonic())

    async def _attempt(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except psycopg.Error:
            raise
        except Exception as error:
            if not isinstance(error, DeliveryError):
                log.exception(
                    "unexpected error while sending a notification", target=shown(self._target)
                )
            asked_s = error.wait_s if isinstance(error, DeliveryError) else None
            wait_s = self._pace.failed(time.monotonic(), asked_s)
            log.warning(
                "notification not delivered, will retry",
                target=shown(self._target),
                reason=str(error),
                in_s=round(wait_s, 1),
            )
