"""The HTTP server under the API: uvicorn, with limits on connections and a quiet end."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from services.api.admission.connections import ConnectionLimits, guarded
from services.api.admission.open_files import connections_allowed
from services.api.live.feed import LiveFeed
from services.core.runtime import service_manager
from services.core.runtime.settings import Settings

#: How long a connection may be idle: longer than the pause of whoever asks regularly, and longer
#: than proxies keep theirs (nginx: 60 s). One that is closed in the very moment in which it is used
#: again is reset, and not every client then asks once more.
_IDLE_S: Final = 75

#: Ticks of the loop, of a tenth of a second, after which the service manager hears of it again.
_TICKS_BETWEEN_WORDS: Final = 10


def server_config(
    app: FastAPI, settings: Settings, tls: ssl.SSLContext | None = None
) -> uvicorn.Config:
    """How uvicorn serves ``app``, with TLS or without."""
    proxies = [ipaddress.ip_network(proxy) for proxy in settings.trusted_proxies]

    def is_proxy(address: str) -> bool:
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return any(parsed in network for network in proxies)

    limits = ConnectionLimits(
        limit=connections_allowed(settings.api_connections),
        max_of_an_address=settings.api_connections_per_address,
        head_within_s=settings.api_header_timeout_s,
        body_within_s=settings.api_body_timeout_s,
        stall_s=settings.api_stall_timeout_s,
        is_proxy=is_proxy,
    )
    config = uvicorn.Config(
        app,
        http=guarded(limits),
        ws="none",
        h11_max_incomplete_event_size=settings.api_header_bytes,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=5,
    )
    config.load()
    # a context of uvicorn's own making would read its files once
    config.ssl = tls
    return config


class Server(uvicorn.Server):
    """Ends the live streams as it begins to stop: they would hold it up. A signal is no failure."""

    def __init__(self, config: uvicorn.Config, feeds: Iterable[LiveFeed]) -> None:
        super().__init__(config)
        self._feeds = tuple(feeds)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, streams first."""
        for feed in self._feeds:
            feed.close()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self.started:
            service_manager.tell(ready=True)

    async def on_tick(self, counter: int) -> bool:
        """Turn once, each tenth of a second; return whether to stop."""
        if counter % _TICKS_BETWEEN_WORDS == 0:
            service_manager.tell(ready=True)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that end the process."""
        # uvicorn's own raises the signal again at the end, and the process would not exit with 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
