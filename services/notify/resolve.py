"""Host names to addresses, off the event loop: a look-up that hangs delays only its own name."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from services.notify.address import Address


class Resolver(Protocol):
    """Looks up a name."""

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return the host's addresses, the preferred first; never empty.

        :raises OSError: the name is unknown or cannot be looked up now.
        """
        ...


class SystemResolver:
    """The machine's own resolver, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(32, thread_name_prefix="resolve")

    async def addresses(self, host: str, port: int) -> list[Address]:
        """See :class:`Resolver`."""
        names = await asyncio.get_running_loop().run_in_executor(
            self._threads, _look_up, host, port
        )
        return list(dict.fromkeys(ipaddress.ip_address(name) for name in names))

    def close(self) -> None:
        """Cancel pending look-ups."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # a scoped address, fe80::1%eth0, is link-local with or without its scope
    return [str(info[4][0]).partition("%")[0] for info in infos]
