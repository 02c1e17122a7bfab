"""Messages from NATS' own stream of them: a session on an event loop of its own, an inbox between.

Where :mod:`..mqtt` is one client with one session, any number of these share a durable consumer:
each message goes to one of them, and to another if it is not acknowledged in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ssl
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from services.core.runtime.backoff import Backoff
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import MACHINE, Clock
from services.core.runtime.nats_client import RECOVERABLE
from services.ingest.sources.inbox import Inbox
from services.ingest.sources.jetstream.delivery import DeliveryToken
from services.ingest.sources.jetstream.session import JetstreamSession
from services.ingest.sources.jetstream.subjects import refused
from services.ingest.sources.probe import SILENT
from services.ingest.sources.source import Message, Refusals

_log: Final = structlog.get_logger()

#: As in deploy/nats/tonne.conf: how long the messages in hand stay away when their reader dies.
#: Much less, and a slow COMMIT has them twice. A consumer that is there already keeps its own.
_ACK_WAIT_S: Final = 10.0

#: After so long without a call of ``receive`` what waits is given back: well within the above.
_HOLD_S: Final = 5.0

#: How long the network thread sleeps at most: the rule above needs it to look.
_LOOK_S: Final = 0.5


class JetstreamSource:
    """The :class:`.source.MessageSource` of NATS servers that speak JetStream."""

    max_units: int | None = None

    #: the consumer's messages stay its own whoever connects
    trouble = ""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        durable: str,
        max_waiting: int,
        tls: ssl.SSLContext | None = None,
        ack_wait_s: float = _ACK_WAIT_S,
        hold_s: float = _HOLD_S,
        clock: Clock = MACHINE,
    ) -> None:
        """``clock``: the time at which messages arrive."""
        self._hold_s = hold_s
        self.inbox = Inbox(max_waiting=max_waiting)
        self._session = JetstreamSession(
            url,
            durable=durable,
            ack_wait_s=ack_wait_s,
            tls=tls,
            deliver=self.inbox.put,
            room=lambda: self.inbox.room,
            wake=self._wake,
            clock=clock,
        )
        self._acks: deque[DeliveryToken] = deque()
        self._filters: frozenset[str] = frozenset()
        #: of these, what is retained is read again
        self._renewed: frozenset[str] = frozenset()
        self._closing = False
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        # in a copy of this context, so that its log lines name the process too
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name="nats", daemon=True
        )

    def start(
        self,
        filters: frozenset[str],
        *,
        draining: frozenset[str] = frozenset(),
        needless: frozenset[str] = frozenset(),
        known: bool = False,
    ) -> None:
        """Begin to connect and to listen; returns at once."""
        del draining, needless, known
        self._filters = filters
        self._thread.start()

    def subscribe(
        self,
        filters: frozenset[str],
        *,
        draining: frozenset[str] = frozenset(),
        renewed: frozenset[str] = frozenset(),
    ) -> None:
        """Make ``filters`` the whole set of topic filters, now and after every reconnect.

        One consumer has them all: what it holds for a topic stays while any filter brings it.
        """
        del draining
        self._renewed |= renewed
        self._filters = filters
        self._wake()

    @property
    def silent(self) -> str:
        """Why what the broker acknowledges does not come, or nothing."""
        return SILENT if self._session.silent else ""

    @property
    def damage(self) -> str:
        """What NATS lost in the last hour of what it held for ingest, or nothing."""
        return self._session.memory.damage.text

    @property
    def refused(self) -> Refusals:
        """Filters that are no subjects of NATS."""
        return refused(self._filters)

    @property
    def left(self) -> frozenset[str]:
        """None are left over: the consumer itself says what it listens to."""
        return frozenset()

    def receive(self, *, limit: int, gather_s: float, timeout_s: float) -> list[Message]:
        """Wait up to ``timeout_s`` for a message, then up to ``gather_s`` for more."""
        if self.inbox.silent_s() > self._hold_s:
            self._wake()
        batch = self.inbox.receive(limit=limit, gather_s=gather_s, timeout_s=timeout_s)
        if batch:
            # there is room again
            self._wake()
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        """Tell NATS that these are durable, when it is there again if it is away."""
        self._acks.extend(m.token for m in messages if isinstance(m.token, DeliveryToken))
        self._wake()

    def nudge(self) -> None:
        """Let the ``receive`` that waits return at once."""
        self.inbox.nudge()

    @property
    def connected(self) -> bool:
        """Whether a connection is open and the consumer listens to every filter."""
        return self._session.open and self._session.filters == self._filters

    def close(self) -> None:
        """Send what acks are left and disconnect; the consumer keeps the rest."""
        self._closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None:
            # the loop may end in this very moment
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._woken.set)

    # -- the network thread -------------------------------------------------------------------

    def _run(self) -> None:
        """Whatever goes wrong here ends the pipeline too: its next ``receive`` raises it."""
        try:
            asyncio.run(self._work())
        except BaseException as failure:  # noqa: BLE001 - handed over to the pipeline's thread
            self.inbox.fail(failure)

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_unexpected)
        backoff = Backoff()
        try:
            while not self._closing:
                if self._failure is not None:
                    raise self._failure
                self._woken.clear()
                unheard = self.inbox.silent_s() > self._hold_s
                if unheard and self._session.open:
                    _log.warning("nothing can be stored; leaving the messages to the broker")
                    await self._session.leave(self.inbox.take_back())
                elif unheard:
                    await self._sleep(_LOOK_S)
                elif self._session.open:
                    await self._serve()
                    if self._session.open:
                        await self._sleep(_LOOK_S)
                    else:
                        await self._wait(backoff.next_s())
                    if self._session.sound:
                        backoff.reset()
                elif not await self._session.connect(self._filters):
                    await self._wait(backoff.next_s())
            await self._serve()
        finally:
            await self._session.leave(self.inbox.take_back())

    def _on_unexpected(self, loop: asyncio.AbstractEventLoop, about: Mapping[str, object]) -> None:
        """Of a task or callback that nobody waits for."""
        failure = about.get("exception")
        if isinstance(failure, Exception) and not isinstance(failure, RECOVERABLE):
            self._failure = failure
            self._woken.set()
        else:
            loop.default_exception_handler(dict(about))

    async def _serve(self) -> None:
        """Do what the pipeline has asked for; what fails is done again on the next connection."""
        if not self._session.open:
            return
        tokens = [self._acks.popleft() for _ in range(len(self._acks))]
        try:
            await self._session.ack(tokens)
            tokens.clear()
            renewed = self._renewed
            await self._session.subscribe(self._filters, renewed=renewed)
            self._renewed -= renewed
            await self._session.run_once()
        except RECOVERABLE as error:
            self._acks.extendleft(reversed(tokens))
            self._session.end(error)

    async def _wait(self, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        while not self._closing and (left := until - asyncio.get_running_loop().time()) > 0:
            self._woken.clear()
            await self._sleep(min(left, _LOOK_S))

    async def _sleep(self, seconds: float) -> None:
        """Until something is asked for, at most ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
