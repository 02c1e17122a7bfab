"""Where the broker is, from a URL or the environment."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}

#: A URL that can be read in one way only: scheme, user and password, host, port.
_FORM = re.compile(
    r"[A-Za-z]+://(?:(?:[^\s/?#@%\[\]]|%[0-9A-Fa-f]{2})*@)?"
    r"(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::[0-9]{1,5})?/?"
)


@dataclass(frozen=True, kw_only=True)
class Broker:
    """An MQTT broker's address. The password never shows in its text."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return host and port, as an error message may show them."""
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the broker is on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def tls_context(self) -> ssl.SSLContext | None:
        """Return a context that checks the broker's certificate, or None without TLS."""
        return ssl.create_default_context() if self.tls else None


def default_url() -> str:
    """Return TONNE_MQTT_URL, or the local broker's URL on TONNE_MQTT_PORT (1883)."""
    url = os.environ.get("TONNE_MQTT_URL")
    return url or f"mqtt://127.0.0.1:{os.environ.get('TONNE_MQTT_PORT') or 1883}"


def parse_broker(url: str) -> Broker:
    """Return the broker a URL like ``mqtt://user:password@host:1883`` names.

    Raises:
        ValueError: the URL is no ``mqtt://`` or ``mqtts://`` URL with a host.

    """
    hint = "give the broker as mqtt://host:1883 or mqtts://host:8883"
    if url.partition("://")[0].lower() not in _PORTS:
        raise ValueError(f"the simulator speaks MQTT only: {hint}")
    # never a part of the URL itself: what is malformed may be a password
    malformed = ValueError(
        f"the broker's URL is malformed: {hint}, and in its user and password write / as %2F,"
        " @ as %40, # as %23, ? as %3F, % as %25 and a space as %20"
    )
    if not _FORM.fullmatch(url):
        raise malformed
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise malformed from None
    if not parts.hostname:
        raise malformed
    return Broker(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
