"""One recipient's worker: takes what is due to it, tells it in order, keeps the books.

Each recipient has its own, so one that hangs or fails holds up nobody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import psycopg
import structlog

from services.core.runtime import metrics
from services.core.runtime.clock import Clock
from services.notify import retry
from services.notify.channel import Channel, DeliveryError
from services.notify.heartbeat import Pulse
from services.notify.message import TEST, Message
from services.notify.outbox import CANNOT_BE_TOLD, Outbox, Row
from services.notify.pace import Pace
from services.notify.recipients import Recipients, kind_of, shown

log = structlog.get_logger()

#: A worker without anything to do for so long ends, and lets go of its recipient.
_IDLE_S = 30.0
#: How long a worker sleeps at most: next tries come due without anybody saying so.
_LOOK_S = 1.0

#: A message that fails so often in a way that nobody thought of is set aside with its reason.
_MOST_UNFORESEEN = 5


class UnforeseenError(DeliveryError):
    """Telling failed in a way that is neither the recipient's nor the network's."""


class Worker:
    """Tells one recipient what is due, for as long as its notifier holds that recipient's lock."""

    def __init__(
        self,
        target: str,
        *,
        channel: Channel,
        outbox: Outbox,
        pulse: Pulse,
        clock: Clock,
        recipients: Callable[[], Recipients],
    ) -> None:
        self._target = target
        self._kind = kind_of(target)
        self._channel = channel
        self._outbox = outbox
        self._pulse = pulse
        self._clock = clock
        self._recipients = recipients
        self._pace = Pace(channel.most_at_once)
        #: messages that wait because the recipient was away, not for their own sake
        self._put_off: set[int] = set()
        self._on_their_way: dict[asyncio.Task[DeliveryError | None], Row] = {}
        self._woken = asyncio.Event()
        self._stopping = False
        self._repeat_at_s = 0.0
        self._active_at_s = time.monotonic()

    def wake(self) -> None:
        """Look at once: something may be due."""
        self._woken.set()

    def stop(self) -> None:
        """Take nothing more; :meth:`run` returns when what is on its way has come to an end."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Work until asked to stop, or until there was nothing to do for a while.

        :raises psycopg.OperationalError: the database went away; what was told and could not be
            marked is told again, with the same key.
        """
        try:
            while True:
                if not self._stopping:
                    await self._again_and_again()
                    await self._take()
                if not self._on_their_way and (self._stopping or self._idle):
                    return
                await self._wait()
                await self._settle()
        finally:
            for task in self._on_their_way:
                task.cancel()
            await asyncio.gather(*self._on_their_way, return_exceptions=True)
            await self._channel.close()

    @property
    def _idle(self) -> bool:
        stands = self._target in self._recipients().targets()
        return (
            not (stands and self._channel.repeat_every_s is not None)
            and not self._pulse.wanted(self._target)
            # another worker would know nothing of the rest that this recipient needs
            and not self._resting
            and time.monotonic() - self._active_at_s > _IDLE_S
        )

    # -- what is due --------------------------------------------------------------------------

    async def _take(self) -> None:
        room = self._pace.width - len(self._on_their_way)
        if room <= self._pace.width // 2:
            return
        busy = [row.id for row in self._on_their_way.values()]
        # whoever sends a test wants to know now: a recipient that rests is tried all the same
        only = TEST if self._resting else None
        for row in await self._outbox.due(self._target, most=room, busy=busy, only=only):
            self._active_at_s = time.monotonic()
            message = self._message_of(row)
            if message is not None:
                if row.tries > 0:
                    metrics.notify_retries.labels(self._kind).inc()
                self._on_their_way[asyncio.create_task(self._tell(message))] = row
                continue
            await self._outbox.abandon(row.id, "its facility file names this recipient no more")
            metrics.notify_abandoned.labels(self._kind).inc()
            log.warning("recipient gone, message given up", key=row.key, target=shown(self._target))

    def _message_of(self, row: Row) -> Message | None:
        """What is told; None: the facility names this recipient no more."""
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
            secret_env=entry.secret_env,
            may_sign=recipients.may_sign(row.facility, entry.secret_env),
        )

    @property
    def _resting(self) -> bool:
        return self._pace.resting_s(time.monotonic()) > 0

    async def _tell(self, message: Message) -> DeliveryError | None:
        """Tell it; whatever goes wrong is this recipient's trouble and nobody else's."""
        try:
            await self._channel.send(message)
        except DeliveryError as error:
            return error
        except Exception as error:
            log.exception(
                "telling failed in a way that nobody thought of", target=shown(self._target)
            )
            return UnforeseenError(f"{type(error).__name__}: {error}", only_this=True)
        return None

    async def _wait(self) -> None:
        """Until a message has come to an end, somebody wakes this worker, or a while has passed."""
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait(
                {woken, *self._on_their_way},
                timeout=_LOOK_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            woken.cancel()
            with suppress(asyncio.CancelledError):
                await woken
        self._woken.clear()

    # -- the books ----------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Write down what came of the messages that have come to an end."""
        done = [task for task in self._on_their_way if task.done()]
        ended = [(self._on_their_way[task], task.result()) for task in done]
        told = [row for row, error in ended if error is None]
        if told:
            await self._outbox.told([row.id for row in told])
            self._pace.taken()
            if self._put_off:
                await self._outbox.due_now(self._put_off)
                self._put_off.clear()
        for row in told:
            metrics.notify_sent.labels(self._kind).inc()
            waited_s = (self._clock.now() - row.created_at).total_seconds()
            metrics.notify_seconds.labels(self._kind).observe(max(0.0, waited_s))
        for row, error in ended:
            if error is not None:
                await self._failed(row, error)
        # not those that came to an end meanwhile: they are not in the books yet
        for task in done:
            del self._on_their_way[task]

    async def _failed(self, row: Row, error: DeliveryError) -> None:
        if isinstance(error, UnforeseenError) and row.tries + 1 >= _MOST_UNFORESEEN:
            # in its lane it would hold up what comes after it for ever
            await self._outbox.abandon(row.id, f"{CANNOT_BE_TOLD}{error}")
            metrics.notify_abandoned.labels(self._kind).inc()
            log.error(
                "message set aside", key=row.key, target=shown(self._target), reason=str(error)
            )
            return
        if error.only_this:
            wait_s = retry.refused_again_s(row.tries + 1)
        else:
            wait_s = self._pace.failed(time.monotonic(), error.wait_s)
            self._put_off.add(row.id)
        await self._outbox.postpone(row.id, wait_s=wait_s, reason=str(error))
        metrics.notify_failed.labels(self._kind).inc()
        log.warning(
            "not told, trying again",
            target=shown(self._target),
            key=row.key,
            tries=row.tries + 1,
            reason=str(error),
            in_s=round(wait_s, 1),
        )

    # -- heartbeats and repetitions -----------------------------------------------------------

    async def _again_and_again(self) -> None:
        """Tell heartbeats and what still fires, alone: a repetition must not overtake its end."""
        now_s = time.monotonic()
        every_s = self._channel.repeat_every_s
        repeats = every_s is not None and now_s >= self._repeat_at_s
        beats = self._pulse.due(self._target, now_s)
        if self._resting or not (repeats or beats):
            return
        while self._on_their_way:
            await self._wait()
            await self._settle()
        if every_s is not None and repeats:
            self._repeat_at_s = now_s + every_s
            await self._attempt(self._repeat)
        for message in beats:
            if self._resting:
                return
            await self._attempt(partial(self._beat, message))

    async def _repeat(self) -> None:
        rows = await self._outbox.standing(self._target)
        messages = [message for row in rows if (message := self._message_of(row)) is not None]
        if messages:
            await self._channel.repeat(messages)

    async def _beat(self, message: Message) -> None:
        await self._channel.send(message)
        metrics.notify_heartbeats.inc()
        self._pulse.told(self._target, message.facility, time.monotonic())

    async def _attempt(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except psycopg.Error:
            raise
        except Exception as error:
            if not isinstance(error, DeliveryError):
                log.exception(
                    "telling failed in a way that nobody thought of", target=shown(self._target)
                )
            asked_s = error.wait_s if isinstance(error, DeliveryError) else None
            wait_s = self._pace.failed(time.monotonic(), asked_s)
            log.warning(
                "not told, trying again",
                target=shown(self._target),
                reason=str(error),
                in_s=round(wait_s, 1),
            )
