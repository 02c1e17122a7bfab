"""One connection to NATS and its durable consumer; nats-py does the protocol, on its event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js.errors import BadRequestError, ServiceUnavailableError

from services.core.runtime import metrics, nats_client, tasks
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import Clock
from services.core.runtime.nats_client import RECOVERABLE
from services.ingest.sources.jetstream.burst import Burst
from services.ingest.sources.jetstream.delivery import DeliveryToken
from services.ingest.sources.jetstream.durable import Durable, Memory
from services.ingest.sources.jetstream.leadership import STEP_DOWN
from services.ingest.sources.jetstream.pull import Pull
from services.ingest.sources.jetstream.retained import Retained
from services.ingest.sources.jetstream.subjects import subjects
from services.ingest.sources.jetstream.unstored import Unstored
from services.ingest.sources.source import Message, SourceError

_log: Final = structlog.get_logger()

#: Of a cluster that is not complete yet.
_NO_SUITABLE_PEERS: Final = 10005

#: How often the consumer and its stream are looked at.
_WATCH_S: Final = 5.0

#: While something has to happen elsewhere before what is retained is handed over.
_LOOK_S: Final = 0.1


class JetstreamSession:
    """Connects, asks for messages, acknowledges; every call on the owner's event loop."""

    def __init__(
        self,
        url: BrokerUrl,
        *,
        durable: str,
        ack_wait_s: float,
        tls: ssl.SSLContext | None,
        deliver: Callable[[list[Message]], None],
        room: Callable[[], int],
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        """``clock``: the time at which messages arrive."""
        self._clock = clock
        self._url = url
        self._name = durable
        self._ack_wait_s = ack_wait_s
        self._tls = tls
        self._deliver = deliver
        self._room = room
        self._wake = wake
        self._burst = Burst(self._hand_over, clock)
        self._client: Client | None = None
        self.memory = Memory()
        self._watch_at = 0.0
        #: how much had come when messages were waiting and nothing came; None: all is well
        self._stuck_at: int | None = None
        self._durable: Durable | None = None
        #: when the stream was made: what lay in an earlier one cannot be acknowledged in this
        self._era: datetime | None = None
        self._pull: Pull | None = None
        self._unstored: Unstored | None = None
        self._reading: set[asyncio.Task[None]] = set()
        self._filters: frozenset[str] = frozenset()
        #: why this connection has to end; what NATS did not allow
        self._broken = ""
        self._denied = ""
        self._away = False
        self._connections = 0
        #: whether messages waited at NATS, and none came though they were asked for
        self.silent = False

    @property
    def open(self) -> bool:
        """Whether there is a connection with everything that belongs to it."""
        return self._client is not None and not self._client.is_closed

    @property
    def sound(self) -> bool:
        """Whether nothing speaks against going on with this nats_client."""
        return self.open and not (self._broken or self._denied)

    @property
    def filters(self) -> frozenset[str]:
        """What this session listens to."""
        return self._filters

    async def connect(self, filters: frozenset[str]) -> bool:
        """Try once to connect and to listen to ``filters``; False if NATS is away.

        :raises BrokerRefusalError: NATS refuses what waiting will not change.
        """
        self._broken = self._denied = ""
        client = None
        try:
            client = await nats_client.connect(
                self._url,
                name=self._name,
                tls=self._tls,
                on_error=self._on_error,
                on_closed=self._on_closed,
            )
            await self._begin(client, filters)
        except BaseException as error:
            if client is not None:
                await nats_client.close(client)
            if not isinstance(error, RECOVERABLE):
                raise
            self._give_up(error)
            return False
        self._client = client
        self._connections += 1
        metrics.ingest_connections.inc()
        if self._connections > 1:
            metrics.ingest_reconnects.inc()
        self._away = False
        _log.info("listening at the broker", broker=self._url.address)
        return True

    async def _begin(self, client: Client, filters: frozenset[str]) -> None:
        wanted = subjects(filters)
        self._durable = Durable(
            client,
            self._name,
            ack_wait_s=self._ack_wait_s,
            memory=self.memory,
        )
        # before anything else: from now on NATS keeps what is published
        self._era = await self._durable.ensure(wanted)
        self._pull = Pull(
            client,
            ask_at=self._durable.next_subject,
            era=self._era,
            burst=self._burst,
            on_ended=self._on_ended,
        )
        await self._pull.start()
        self._unstored = Unstored(client, group=self._name, burst=self._burst, room=self._room)
        await self._unstored.listen_to(wanted)
        await self._read_retained(client, self._durable, wanted)
        self._filters = filters

    async def subscribe(
        self, filters: frozenset[str], *, renewed: frozenset[str] = frozenset()
    ) -> None:
        """Make ``filters`` the whole set of what is listened to.

        ``renewed``: of these, what is retained is read again.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        """
        if (
            self._client is None
            or self._durable is None
            or self._unstored is None
            or (filters == self._filters and not renewed)
        ):
            return
        wanted = subjects(filters)
        new = (wanted - self._unstored.subjects) | subjects(renewed & filters)
        await self._durable.listen_to(wanted)
        await self._unstored.listen_to(wanted)
        if new:
            await self._read_retained(self._client, self._durable, new)
        self._filters = filters

    async def run_once(self) -> None:
        """Ask for as many messages as there is room for, and look after the consumer.

        :raises nats.errors.Error: NATS does not answer, or refuses.
        :raises BrokerRefusalError: NATS refuses what waiting will not change.
        """
        if self._denied:
            raise nats_client.refusal(self._url, self._denied)
        if self._broken:
            self._say_away(self._broken)
            await self.leave([])
        elif self._pull is not None and self._durable is not None:
            await self._pull.ask(self._room())
            await self._watch(self._pull, self._durable)

    async def _watch(self, pull: Pull, durable: Durable) -> None:
        """See now and then whether what waits comes; a connection on which it does not is ended."""
        now = asyncio.get_running_loop().time()
        if now < self._watch_at:
            return
        self._watch_at = now + _WATCH_S
        if not await durable.look() or not self._room():
            self._stuck_at = None
        elif pull.heard == self._stuck_at:
            self._stuck_at, self.silent = None, True
            self._broken = self._broken or "it has messages and sends none"
        else:
            self._stuck_at = pull.heard

    async def ack(self, tokens: Iterable[DeliveryToken]) -> None:
        """Acknowledge messages, whichever connection has delivered them.

        :raises nats.errors.Error: the connection is lost.
        """
        if self._client is None:
            raise nats.errors.ConnectionClosedError
        for token in tokens:
            if token.era == self._era:
                await self._client.publish(token.reply)

    def end(self, error: Exception) -> None:
        """Let the next turn close this connection, because of ``error``."""
        self._broken = self._broken or _sentence(error)

    async def leave(self, unread: Sequence[Message]) -> None:
        """Disconnect and give back what was delivered and not looked at."""
        client, self._client = self._client, None
        self._stop_reading()
        if client is None:
            return
        self._away = True
        with suppress(*RECOVERABLE):
            if self._pull is not None:
                await self._pull.stop()
            for message in (*unread, *self._burst.take_back()):
                if isinstance(message.token, DeliveryToken):
                    await client.publish(message.token.reply, b"-NAK")
            await client.flush(nats_client.CONNECT_TIMEOUT_S)
        await nats_client.close(client)

    # -- what is retained ---------------------------------------------------------------------

    async def _read_retained(
        self, client: Client, durable: Durable, wanted: frozenset[str]
    ) -> None:
        present = await Retained.ask(client, wanted, self._clock)
        if present is None:
            return
        newest = await durable.newest()
        task = asyncio.create_task(self._hand_over_retained(client, durable, present, newest))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    def _stop_reading(self) -> None:
        for task in self._reading:
            tasks.cancel(task)

    async def _hand_over_retained(
        self, client: Client, durable: Durable, present: Retained, newest: int
    ) -> None:
        """Hand over what was retained once what waits in the stream up to ``newest`` is durable.

        It may be the same: whoever has that in the database already sees that it says nothing new.
        """
        try:
            while not await durable.is_through(newest):  # noqa: ASYNC110 - NATS is to be asked
                await asyncio.sleep(_LOOK_S)
            async for messages in present.messages():
                while not self._room():  # noqa: ASYNC110 - the pipeline's thread makes room
                    await asyncio.sleep(_LOOK_S)
                self._deliver(messages)
        except RECOVERABLE as error:
            if not client.is_closed:
                self.end(error)
                self._wake()

    # -- what comes from below ----------------------------------------------------------------

    def _hand_over(self, messages: list[Message]) -> None:
        self.silent = False
        self._deliver(messages)
        self._wake()

    def _on_ended(self, trouble: str) -> None:
        self._broken = self._broken or trouble
        self._wake()

    async def _on_error(self, error: Exception) -> None:
        if not isinstance(error, RECOVERABLE):
            # of a callback here: nats-py would go on with the next message
            about = {"message": "a callback failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(about)
        elif STEP_DOWN in str(error):
            _log.warning("tonne's user may not ask for another server", reason=str(error))
        elif "permissions violation" in str(error).lower():
            self._denied = str(error)
            self._wake()

    async def _on_closed(self) -> None:
        if self._client is not None:
            self._client = None
            self._stop_reading()
            self._say_away("the connection is lost")
            self._wake()

    # -- what is wrong ------------------------------------------------------------------------

    def _give_up(self, error: Exception) -> None:
        """Say that NATS is away, or raise where waiting will not help."""
        if self._denied:
            raise nats_client.refusal(self._url, self._denied)
        if isinstance(error, ServiceUnavailableError):
            self._say_away("it answers no JetStream request; turn jetstream on in its settings")
        elif isinstance(error, BadRequestError) and error.err_code != _NO_SUITABLE_PEERS:
            raise SourceError(
                f"the broker at {self._url.address} refuses the consumer {self._name!r}:"
                f" {error.description}"
            )
        else:
            self._say_away(_sentence(error))

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            _log.warning("the broker is away; waiting for it", broker=self._url.address, reason=why)
        # of a cluster another server may be there, or on the side of the majority
        self._url = self._url.next_server()


def _sentence(error: BaseException) -> str:
    return getattr(error, "description", None) or str(error) or type(error).__name__
