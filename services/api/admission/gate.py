"""Rate limits per API key, or per address for clients without one.

A key has a budget of its own once it was found valid; any other key counts for the address that
sent it, so that nobody gets a second budget by inventing keys.
"""

from __future__ import annotations

import base64
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import Scope

from services.api.admission.budgets import Budget, network_of
from services.api.admission.spending import at_end
from services.api.admission.turns import Places, Turns
from services.api.http.problems import Busy, TooManyRequests, TooManyStreamsOfOne
from services.core.runtime.settings import Settings
from services.core.store.operations import keys

#: Below it is what Prometheus' clients ask.
PROMETHEUS: Final = "/prometheus/"
#: Keys that were valid lately; one that is forgotten counts for its address once.
_MAX_KEYS: Final = 10_000
#: Bodies of readings that ingest may have in hand, of all and of one client.
_SENDING: Final = 64
_SENDING_EACH: Final = 16


class Gate:
    """The budgets of all clients."""

    def __init__(self, settings: Settings) -> None:
        per_key = settings.api_reads_at_once_per_key
        #: name of the cookie that a session's token comes in
        self.cookie = cookie_name(settings)
        self.turns = Turns(
            Places(
                at_once=settings.api_reads_at_once,
                at_once_each=per_key,
                at_once_of_a_kind=max(1, per_key * 2 // 3),
                waiting_each=settings.api_waiting_per_key,
                longest_wait_s=settings.api_longest_wait_s,
            )
        )
        self._requests = Budget(settings.api_requests_per_minute)
        self._rows = Budget(settings.api_rows_per_minute)
        self._readings = Budget(settings.api_readings_per_minute)
        self._wrong_keys = Budget(settings.api_wrong_keys_per_minute)
        self._sign_ins = Budget(settings.api_sign_ins_per_minute)
        self._right_keys: OrderedDict[bytes, None] = OrderedDict()
        self._max_streams = settings.api_streams_per_key
        self._streams: Counter[str] = Counter()
        self._sending: Counter[str] = Counter()

    def asker(self, scope: Scope) -> str:
        """Name whose budget a request counts for."""
        credential = key_of(scope) or session_of(scope, self.cookie)
        if credential is not None:
            digest = keys.digest(credential)
            if digest in self._right_keys:
                return f"key {digest.hex()}"
        return address_of(scope)

    def ask(self, asker: str) -> None:
        """Count one request.

        :raises TooManyRequests: the requests or rows of this minute are used up.
        """
        if wait_s := self._requests.wait_s(asker, 1):
            raise TooManyRequests(
                "This key or address has used up its requests for this minute; send fewer, or raise"
                " TONNE_API_REQUESTS_PER_MINUTE.",
                retry_after_s=wait_s,
            )
        self._requests.spend(asker, 1)
        if wait_s := self._rows.wait_s(asker):
            raise TooManyRequests(
                "This key or address has used up its rows for this minute; request coarser"
                " intervals or shorter time spans, wait, or raise TONNE_API_ROWS_PER_MINUTE.",
                retry_after_s=wait_s,
            )

    def answered(self, asker: str, rows: int) -> None:
        """Count the rows of an answer."""
        if rows:
            self._rows.spend(asker, rows)

    def try_readings(self, asker: str) -> None:
        """Check that more readings may be sent.

        :raises TooManyRequests: the readings of this minute are used up.
        """
        if wait_s := self._readings.wait_s(asker):
            raise TooManyRequests(
                "This key or address has used up its readings for this minute; wait, send fewer, or"
                " raise TONNE_API_READINGS_PER_MINUTE.",
                retry_after_s=wait_s,
            )

    @contextmanager
    def sending(self, asker: str) -> Iterator[None]:
        """Count a body of readings that ingest has in hand.

        :raises TooManyRequests: the key or address has too many.
        :raises Busy: all together have too many.
        """
        if self._sending[asker] >= _SENDING_EACH:
            raise TooManyRequests(
                f"{_SENDING_EACH} bodies of this key or address are being stored; send one after"
                " the other, with more readings each.",
                retry_after_s=1,
            )
        if self._sending.total() >= _SENDING:
            raise Busy("Too many bodies of readings are being stored; send this one again.")
        self._sending[asker] += 1
        try:
            yield
        finally:
            self._sending[asker] -= 1
            if self._sending[asker] <= 0:
                del self._sending[asker]

    def brought(self, asker: str, readings: int) -> None:
        """Count readings that were sent."""
        self._readings.spend(asker, readings)

    def try_key(self, scope: Scope, key: str) -> None:
        """Check that a key may be looked up in the database.

        :raises TooManyRequests: the address has tried too many invalid keys, and this one was
            never valid.
        """
        wait_s = self._wrong_keys.wait_s(address_of(scope), 1)
        if wait_s and keys.digest(key) not in self._right_keys:
            raise TooManyRequests(
                "This address sent too many invalid API keys; find the program that sends them and"
                " give it a key from `tonne keys create`.",
                retry_after_s=wait_s,
            )

    def key_was_right(self, key: str) -> None:
        """Give a valid key its own budget from now on."""
        digest = keys.digest(key)
        self._right_keys[digest] = None
        self._right_keys.move_to_end(digest)
        while len(self._right_keys) > _MAX_KEYS:
            self._right_keys.popitem(last=False)

    def key_was_wrong(self, scope: Scope, key: str) -> None:
        """Count a key that is unknown, expired or revoked."""
        self._right_keys.pop(keys.digest(key), None)
        self._wrong_keys.spend(address_of(scope), 1)

    def try_sign_in(self, scope: Scope, name: str | None = None) -> None:
        """Count an attempt to sign in, for its address and, where a name is given, the account.

        :raises TooManyRequests: there were too many.
        """
        askers = _signing_in(scope, name)
        if wait_s := max(self._sign_ins.wait_s(asker, 1) for asker in askers):
            raise TooManyRequests(
                f"Too many attempts to sign in; try again in {wait_s:.0f} s.", retry_after_s=wait_s
            )
        for asker in askers:
            self._sign_ins.spend(asker, 1)

    def signed_in(self, scope: Scope, name: str | None = None) -> None:
        """Count no attempt that was right."""
        for asker in _signing_in(scope, name):
            self._sign_ins.spend(asker, -1)

    def admit_stream(self, asker: str) -> None:
        """Count the stream that this request opens, until it ends.

        :raises TooManyStreamsOfOne: the key or address has too many open.
        """
        if self._streams[asker] >= self._max_streams:
            raise TooManyStreamsOfOne(
                f"A key or address may keep {self._max_streams} streams open; close some, poll"
                " GET /v1/live, or use a separate key for each screen."
            )
        self._streams[asker] += 1
        at_end(lambda: self._end_stream(asker))

    def _end_stream(self, asker: str) -> None:
        self._streams[asker] -= 1
        if self._streams[asker] <= 0:
            del self._streams[asker]


def key_of(scope: Scope) -> str | None:
    """Return the API key that a request sends; None: it sends none.

    Below ``/prometheus/``, where nothing can be changed, it may be the password of HTTP's basic
    authentication, with any user name: a browser adds that by itself to what other sites send.
    """
    sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, key = sent.decode("latin-1").partition(" ")
    if scheme.lower() == "basic" and scope["path"].startswith(PROMETHEUS):
        return _password(key)
    return key.strip() or None if scheme.lower() == "bearer" else None


def cookie_name(settings: Settings) -> str:
    """Return the name of the cookie of sessions.

    Where people come by HTTPS it has the prefix of cookies that only this very host can set.
    """
    return "__Host-tonne" if is_https(settings) else "tonne"


def is_https(settings: Settings) -> bool:
    """Return whether people reach the API by HTTPS, as ``TONNE_PUBLIC_URL`` says."""
    return (settings.public_url or "").startswith("https://")


def session_of(scope: Scope, cookie: str) -> str | None:
    """Return the token that a request sends in ``cookie``; None: it sends none."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                sent, _, token = pair.strip().partition("=")
                if sent == cookie and token:
                    return str(token)
    return None


def _signing_in(scope: Scope, name: str | None) -> tuple[str, ...]:
    return (address_of(scope), *(() if name is None else (f"account {name}",)))


def _password(credentials: str) -> str | None:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except ValueError:
        return None
    return decoded.partition(":")[2] or None


def address_of(scope: Scope) -> str:
    """Name whom a request without a key counts for: its address, of IPv6 the network."""
    client = scope.get("client")
    return f"address {network_of(client[0]) if client else 'unknown'}"


def host_of(scope: Scope) -> str:
    """Return the address that a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
