"""Which hosts ingest may connect to: those that whoever runs it names, and no others.

Who may write a facility file must not be able to make ingest call what it can reach.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ENTRY: Final = re.compile(
    r"(?:\[(?P<v6>[0-9a-fA-F:./]+)\]|(?P<host>[^\s\[\]@:]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?:@(?P<facility>[a-z0-9][a-z0-9-]{0,62}))?\Z"
)
_LAST_PORT: Final = 65_535


class HostsError(ValueError):
    """The setting is not a list of hosts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    #: a name, in lower case, or a network
    host: str | _Network
    #: None: any
    port: int | None
    #: None: any
    facility: str | None

    def covers(self, facility: str, host: str, port: int) -> bool:
        if self.port not in {None, port} or self.facility not in {None, facility}:
            return False
        if isinstance(self.host, str):
            return self.host == host
        try:
            return ipaddress.ip_address(host) in self.host
        except ValueError:
            return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Hosts:
    """Hosts that may be connected to."""

    entries: Sequence[_Entry] = ()

    def allow(self, facility: str, host: str, port: int) -> bool:
        """Whether a facility's devices may be at a host, as their file writes it.

        A name is allowed only by itself: what it resolves to is the affair of who runs ingest. An
        address is allowed by itself, or by a network that has it.
        """
        return any(entry.covers(facility, host, port) for entry in self.entries)


def parse(text: str | None) -> Hosts:
    """Read ``TONNE_DEVICE_HOSTS``; nothing is allowed without it.

    :raises HostsError: a part is no host, address or network, with the part.
    """
    parts = [part.strip() for part in (text or "").split(",")]
    return Hosts(entries=[_entry(part) for part in parts if part])


def _entry(part: str) -> _Entry:
    match = _ENTRY.match(part)
    port = None if match is None or match["port"] is None else int(match["port"])
    if match is None or (port is not None and not 1 <= port <= _LAST_PORT):
        raise HostsError(
            f"{part[:80]!r} is not HOST, HOST:PORT or either with @FACILITY behind it, such as"
            " meter.example.org, 192.168.1.40:502, 10.2.0.0/24@linz or [fd00::/64]:502"
        )
    return _Entry(
        host=_named(match["v6"] or match["host"], part), port=port, facility=match["facility"]
    )


def _named(host: str, part: str) -> str | _Network:
    try:
        return ipaddress.ip_network(host)
    except ValueError as error:
        if "/" in host:
            raise HostsError(f"{part[:80]!r} is not a network: {error}") from None
    return host.lower().removesuffix(".")
