"""HTTP to addresses that were looked at: the one that was checked is the one connected to.

A name that resolves to a public address when it is checked and to a private one when it is
connected to (DNS rebinding) has no second look-up to use.
"""

from __future__ import annotations

import asyncio
import time

import httpx

from services.notify.address import Address, Reach, refusal
from services.notify.resolve import Resolver

#: How long a look-up is used again.
_FRESH_S = 30.0


class AddressRefusedError(Exception):
    """The host has an address that messages may not go to."""


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to one host's checked addresses; TLS still verifies the host's name."""

    def __init__(self, resolver: Resolver, reach: Reach, inner: httpx.AsyncBaseTransport) -> None:
        self._resolver = resolver
        self._reach = reach
        self._inner = inner
        self._lock = asyncio.Lock()
        self._known: tuple[str, float, list[Address]] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it to the first of the host's addresses that can be connected to.

        :raises AddressRefusedError: one of the addresses is refused; nothing was sent to any.
        """
        url = request.url
        host = url.host
        request.extensions = {**request.extensions, "sni_hostname": host}
        failure: httpx.ConnectError | None = None
        for address in await self._addresses(host, url.port or (443, 80)[url.scheme == "http"]):
            request.url = url.copy_with(host=str(address))
            try:
                return await self._inner.handle_async_request(request)
            except httpx.ConnectError as error:
                failure = error
        assert failure is not None  # noqa: S101 - a resolver returns at least one address
        raise failure

    async def _addresses(self, host: str, port: int) -> list[Address]:
        async with self._lock:
            now = time.monotonic()
            if self._known is None or self._known[0] != host or self._known[1] < now:
                try:
                    addresses = await self._resolver.addresses(host, port)
                except OSError as error:
                    raise httpx.ConnectError(f"{host} cannot be looked up: {error}") from error
                self._known = (host, now + _FRESH_S, addresses)
            addresses = self._known[2]
        for address in addresses:
            kind = refusal(address, self._reach)
            if kind is not None:
                raise AddressRefusedError(
                    f"{host} is at the {kind} address {address}, which messages may not go to"
                )
        return addresses

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
