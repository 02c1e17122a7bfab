"""A connection to NATS that is made once and not again; nats-py does the protocol."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import nats.errors
from nats.aio.client import Client

from services.core.runtime.broker_url import BrokerRefusalError, BrokerUrl

CONNECT_TIMEOUT_S: Final = 5
_PING_EVERY_S: Final = 10

#: What a connection ends with, or a request, when NATS is away.
RECOVERABLE: Final = (OSError, nats.errors.Error, TimeoutError)


class _Client(Client):
    """nats-py, which goes on in the clear, credentials included, where a server offers no TLS."""

    def _connect_command(self) -> bytes:
        if self.options.get("tls") and not self._server_info.get("tls_required"):
            raise BrokerRefusalError(
                "NATS does not ask for TLS, but the URL does; turn it on there, or let the URL"
                " begin with nats://"
            )
        return super()._connect_command()


async def connect(
    url: BrokerUrl,
    *,
    name: str,
    tls: ssl.SSLContext | None,
    on_error: Callable[[Exception], Awaitable[None]],
    on_closed: Callable[[], Awaitable[None]],
) -> Client:
    """Open a connection.

    :raises BrokerRefusalError: the user is refused, or NATS has no TLS.
    :raises OSError, nats.errors.Error: NATS is away.
    """
    host = f"[{url.host}]" if ":" in url.host else url.host
    options: dict[str, Any] = {}
    if tls is not None:
        options |= {"tls": tls, "tls_hostname": url.host}
    if url.password is not None:
        options |= {"user": url.username, "password": url.password}
    elif url.username is not None:
        options["token"] = url.username
    client = _Client()
    heard: list[Exception] = []

    async def hear(error: Exception) -> None:
        heard.append(error)
        await on_error(error)

    try:
        await client.connect(
            f"nats://{host}:{url.port}",
            name=name,
            allow_reconnect=False,
            # nats-py would try sixty times by itself, two minutes without a word
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_TIMEOUT_S,
            ping_interval=_PING_EVERY_S,
            error_cb=hear,
            closed_cb=on_closed,
            **options,
        )
    except BaseException as error:
        await close(client)
        if "authorization violation" in str(error).lower():
            raise refusal(url, "Authorization Violation") from None
        if isinstance(error, nats.errors.NoServersError) and heard:
            # why the server could not be reached
            raise heard[-1] from None
        raise
    return client


async def close(client: Client) -> None:
    """Send what is left and close; a connection that is gone is closed already."""
    with suppress(*RECOVERABLE):
        await client.close()


def refusal(url: BrokerUrl, detail: str) -> BrokerRefusalError:
    """NATS knows the user and does not let it."""
    return BrokerRefusalError(
        f"the broker at {url.address} refuses the session ({detail}); correct the user, password or"
        " rights in TONNE_MQTT_URL"
    )
