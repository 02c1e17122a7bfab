"""NATS itself beside an MQTT session at it: whether it still has what it had, and delivers it.

MQTT tells a client nothing of that: the broker goes on acknowledging, and devices that say nothing
look the same. So ingest asks by NATS' own protocol, on a thread of its own, where a setting says
how.
"""

from __future__ import annotations

import asyncio
import contextvars
import ssl
import threading
from typing import Final

import structlog
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from services.core.runtime import nats_client
from services.core.runtime.broker_url import BrokerRefusalError, BrokerUrl
from services.core.runtime.nats_client import RECOVERABLE
from services.ingest.sources.damage import Damage, StreamEnd
from services.ingest.sources.jetstream.durable import STREAM
from services.ingest.sources.nats_side.session_consumers import SessionConsumers

_log: Final = structlog.get_logger()

_EVERY_S: Final = 5.0


class NatsSide:
    """Looks every five seconds, and sets right what is wrong."""

    def __init__(self, url: BrokerUrl, *, client_id: str, tls: ssl.SSLContext | None) -> None:
        self._url = url
        self._tls = tls
        self._damage = Damage()
        self._end = StreamEnd(self._damage)
        self._consumers = SessionConsumers(client_id, self._damage)
        self._failure = ""
        self._closing = threading.Event()
        # in a copy of this context, so that its log lines name the process too
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name="nats side", daemon=True
        )

    @property
    def damage(self) -> str:
        """What NATS lost in the last hour, or nothing."""
        return self._damage.text

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._work())
        except BrokerRefusalError as error:
            # readings come all the same
            _log.error("NATS is not looked after", reason=str(error))

    async def _work(self) -> None:
        while not self._closing.is_set():
            try:
                await self._look()
                self._failure = ""
            except NotFoundError:
                # NATS makes its streams when the first MQTT client connects
                pass
            except RECOVERABLE as error:
                failure = str(error) or type(error).__name__
                if failure != self._failure:
                    self._failure = failure
                    _log.warning("NATS cannot be looked after; trying again", reason=failure)
            await asyncio.to_thread(self._closing.wait, _EVERY_S)

    async def _look(self) -> None:
        client = await nats_client.connect(
            self._url, name="tonne-ingest-side", tls=self._tls, on_error=_ignore, on_closed=_nothing
        )
        try:
            await self._look_at(client)
        finally:
            await nats_client.close(client)

    async def _look_at(self, client: Client) -> None:
        stream = client.jetstream()
        info = await stream.stream_info(STREAM)
        self._end.look(info.created, info.state.last_seq)
        await self._consumers.mend(stream)


async def _ignore(_error: Exception) -> None:
    """Leave it to the call that fails."""


async def _nothing() -> None:
    """Leave it to the call that fails."""
