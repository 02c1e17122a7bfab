"""TONNE_SMTP_URL, taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from services.core.runtime.credentials import ADVICE, unclear

#: scheme -> (TLS from the first byte, port)
_SCHEMES: Final = {"smtp": (False, 587), "smtps": (True, 465)}


class SmtpUrlError(ValueError):
    """TONNE_SMTP_URL is not of the form smtp://user:password@host:587."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SmtpUrl:
    """The server that mail is submitted to."""

    host: str
    port: int
    #: TLS from the first byte; else STARTTLS where the server offers it
    tls: bool
    username: str | None
    password: str | None = field(repr=False)

    @property
    def address(self) -> str:
        """Host and port, for messages; never the credentials."""
        return f"{self.host}:{self.port}"

    @property
    def must_encrypt(self) -> bool:
        """Return whether TLS is required, as a password would cross the network."""
        return self.username is not None and not _is_this_machine(self.host)


def parse(url: str) -> SmtpUrl:
    """Take the URL apart.

    :raises SmtpUrlError: the scheme is not smtp or smtps, or the host is missing.
    """
    if url.partition("://")[0].lower() not in _SCHEMES:
        raise SmtpUrlError("TONNE_SMTP_URL must begin with smtp:// or smtps://")
    if unclear(url):
        raise SmtpUrlError(f"TONNE_SMTP_URL {ADVICE}")
    parts = urlsplit(url)
    tls, default_port = _SCHEMES[parts.scheme]
    try:
        port = parts.port or default_port
    except ValueError:
        raise SmtpUrlError("TONNE_SMTP_URL: a port is a number from 0 to 65535") from None
    if not parts.hostname:
        raise SmtpUrlError("TONNE_SMTP_URL names no host")
    return SmtpUrl(
        host=parts.hostname,
        port=port,
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or "") if parts.username else None,
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
