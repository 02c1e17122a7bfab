"""One attempt to sign in, as the browser keeps it between leaving and coming back.

One secret in a cookie binds what is sent to the provider to this browser: state, nonce and code
verifier are digests of it, so that none of them tells another, and the API keeps nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

#: Characters of the address that somebody goes on at; a cookie holds 4096 bytes.
_LONGEST_NEXT = 1000


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who was sent to the provider."""

    secret: str
    #: path on this host where they go on
    next: str

    @property
    def state(self) -> str:
        """What the provider sends back, so that no other website can begin a session here."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """What the ID token must carry, so that none of another attempt is taken."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """What redeems the code, so that a stolen code is worth nothing (RFC 7636)."""
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        """What the provider is shown of the verifier: its SHA-256 (RFC 7636, 4.2)."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    @property
    def cookie(self) -> str:
        """The value of the cookie."""
        return f"{self.secret}.{quote(self.next, safe='')}"

    def has_state(self, sent: str) -> bool:
        """Whether ``sent`` is the state of this attempt."""
        return hmac.compare_digest(self.state.encode(), sent.encode())

    def _derive(self, purpose: str) -> str:
        return _base64(hmac.digest(self.secret.encode(), purpose.encode(), "sha256"))


def begin(next_path: str) -> Attempt:
    """Begin an attempt; ``next_path`` is where somebody goes on if it is a path on this host."""
    return Attempt(secrets.token_urlsafe(32), own_path(next_path))


def from_cookie(value: str | None) -> Attempt | None:
    """Read the attempt of a browser; None: it has begun none, or too long ago."""
    secret, _, next_path = (value or "").partition(".")
    return Attempt(secret, own_path(unquote(next_path))) if secret else None


def own_path(path: str) -> str:
    """Return ``path`` if a browser looks for it on this host, else the path of the overview.

    Browsers read a backslash as a slash and leave line breaks and tabs out.
    """
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    is_own = (
        path.startswith("/")
        and not path.startswith("//")
        and "\\" not in path
        and path.isprintable()
        and path.isascii()
        and len(path) <= _LONGEST_NEXT
        and parts.path != "/login"
    )
    return path if is_own else "/"


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
