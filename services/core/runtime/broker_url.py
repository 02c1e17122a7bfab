"""A broker's URL, such as TONNE_MQTT_URL, taken apart.

It may name several hosts, comma separated: servers of one cluster, of which any will do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self
from urllib.parse import unquote, urlsplit

from services.core.runtime.credentials import ADVICE, unclear

Protocol = Literal["mqtt", "nats"]
Transport = Literal["tcp", "websockets"]

#: scheme -> (protocol, transport, TLS, port)
_SCHEMES: Final[dict[str, tuple[Protocol, Transport, bool, int]]] = {
    "mqtt": ("mqtt", "tcp", False, 1883),
    "mqtts": ("mqtt", "tcp", True, 8883),
    "ws": ("mqtt", "websockets", False, 80),
    "wss": ("mqtt", "websockets", True, 443),
    "nats": ("nats", "tcp", False, 4222),
    "tls": ("nats", "tcp", True, 4222),
}


class BrokerUrlError(ValueError):
    """The URL is not of the form mqtt://user:password@host:1883."""


class BrokerRefusalError(RuntimeError):
    """The broker refuses what waiting will not change; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerUrl:
    """Where the broker is and how to speak to it."""

    host: str
    port: int
    #: nats: NATS' own
    protocol: Protocol
    transport: Transport
    tls: bool
    #: for websockets
    path: str
    username: str | None
    password: str | None = field(repr=False)
    #: host and port of the other servers, in the order in which they are tried after this one
    others: tuple[tuple[str, int], ...] = ()

    @property
    def address(self) -> str:
        """Host and port, for messages; never the credentials."""
        return f"{self.host}:{self.port}"

    def next_server(self) -> Self:
        """Return the URL to try after this one failed: of the next server, this one at the end."""
        if not self.others:
            return self
        (host, port), *rest = self.others
        return replace(self, host=host, port=port, others=(*rest, (self.host, self.port)))

    def servers(self) -> list[Self]:
        """Return a URL for each server, this one first."""
        urls = [self]
        for _ in self.others:
            urls.append(urls[-1].next_server())
        return urls


def parse(url: str, *, setting: str = "TONNE_MQTT_URL") -> BrokerUrl:
    """Take the URL of a setting apart.

    :raises BrokerUrlError: the scheme is none of those that brokers have, or the host is missing.
    """
    if url.partition("://")[0].lower() not in _SCHEMES:
        *others, last = [f"{scheme}://" for scheme in _SCHEMES]
        raise BrokerUrlError(f"{setting} must begin with {', '.join(others)} or {last}")
    if unclear(url):
        raise BrokerUrlError(f"{setting} {ADVICE}")
    parts = urlsplit(url)
    protocol, transport, tls, default_port = _SCHEMES[parts.scheme]
    hosts = parts.netloc.rpartition("@")[2].split(",")
    servers = [_server(f"{parts.scheme}://{name}", default_port, setting) for name in hosts]
    host, port = servers[0]
    return BrokerUrl(
        host=host,
        port=port,
        others=tuple(servers[1:]),
        protocol=protocol,
        transport=transport,
        tls=tls,
        path=parts.path or "/mqtt",
        username=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password) if parts.password is not None else None,
    )


def _server(url: str, default_port: int, setting: str) -> tuple[str, int]:
    """Return host and port of a URL with one host and no credentials."""
    parts = urlsplit(url)
    try:
        port = parts.port or default_port
    except ValueError:
        raise BrokerUrlError(f"{setting}: a port is a number from 0 to 65535") from None
    if not parts.hostname:
        raise BrokerUrlError(f"{setting} names no host")
    return parts.hostname, port
