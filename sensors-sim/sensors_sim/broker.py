"""Where the broker is, from a URL or the environment."""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_PORTS = {"mqtt": 1883, "mqtts": 8883}


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
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"the broker's URL is malformed ({error}): {hint}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"the simulator speaks MQTT only, not {parts.scheme or 'that'}: {hint}")
    return Broker(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
