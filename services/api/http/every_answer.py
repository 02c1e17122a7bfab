"""What every answer has, whoever gives it: an id of its request, and what browsers may do with it.

The id is the caller's `X-Request-ID`, if it is sane, or one made here. It is in the answer, in
problems and in log lines, and goes with a body of readings to ingest.
"""

from __future__ import annotations

import re
import time
import uuid
from contextvars import ContextVar
from typing import Final, Literal

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

HEADER: Final = b"x-request-id"

#: One that is longer or holds other characters is replaced: it is written into logs.
_SANE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")

_current: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)

#: Nothing that is not a page is one: not an answer of the API, not an error, not a file. Pages say
#: for themselves what they may load.
PROTECTION: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
#: For a year no browser speaks to this name without TLS.
_TLS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000")
#: Names that other programs of the same machine are reached by, too, without TLS.
_LOOPBACK: Final = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?\Z")

#: Methods that change nothing.
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: What is asked all the time, and says nothing of who does what.
_SILENT: Final = ("/healthz", "/readyz", "/metrics", "/assets/")


def request_id() -> str | None:
    """Return the id of the request that is being answered."""
    return _current.get()


class EveryAnswer:
    """Name each request, mark each answer, and log what was asked.

    ``access``: ``changes`` logs what may change something and what was refused, ``all`` everything
    but probes and files of pages, ``off`` nothing.
    """

    def __init__(self, app: ASGIApp, *, access: Literal["changes", "all", "off"]) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        sent = headers.get(HEADER, b"")
        name = sent.decode() if _SANE.match(sent) else uuid.uuid4().hex
        _current.set(name)
        began_s, status = time.perf_counter(), 500
        is_tls = scope.get("scheme") == "https" and not _LOOPBACK.match(headers.get(b"host", b""))
        protection = (*PROTECTION, *((_TLS_ONLY,) if is_tls else ()))

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {key for key, _ in message["headers"]}
                missing = ((key, value) for key, value in protection if key not in given)
                names = [*message["headers"], *missing, (HEADER, name.encode())]
                message = {**message, "headers": names}
            await send(message)

        with structlog.contextvars.bound_contextvars(request=name):
            try:
                await self._app(scope, receive, marked)
            finally:
                if self._logs(scope, status):
                    log.info(
                        "request",
                        method=scope["method"],
                        path=scope["path"],
                        status=status,
                        ms=round(1000 * (time.perf_counter() - began_s), 1),
                        address=scope["client"][0] if scope.get("client") else None,
                    )

    def _logs(self, scope: Scope, status: int) -> bool:
        if self._access == "off" or scope["path"].startswith(_SILENT):
            return False
        return self._access == "all" or scope["method"] not in _READS or status >= 400
