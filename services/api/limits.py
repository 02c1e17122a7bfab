"""What every request passes: the size limit, the host check, and the count of what was answered."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.problems import BodyTooLarge, MisdirectedHost
from services.core.runtime.metrics import api_request_seconds, api_requests

#: The largest body that is read; a facility file of a thousand channels is a fifth of it.
MOST_BODY_BYTES = 1024 * 1024

#: Any word may stand where a method should; it would become a series of metrics that never ends.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


class LimitBody:
    """Refuse a request body above :data:`MOST_BODY_BYTES`, announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        problem = BodyTooLarge(f"Bodies are limited to {MOST_BODY_BYTES} bytes.")
        if announced.isdigit() and int(announced) > MOST_BODY_BYTES:
            await problem.response()(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MOST_BODY_BYTES:
                raise problem
            return message

        await self._app(scope, counted, send)


class LoopbackHostOnly:
    """While nobody authenticates, answer only to this machine's own name.

    A web page elsewhere could let its own name point to 127.0.0.1 and read what it likes
    (DNS rebinding); its requests carry that name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if _name(host) not in _LOOPBACK_NAMES:
                problem = MisdirectedHost(
                    "With TONNE_API_AUTH=off the API answers to localhost and 127.0.0.1 only."
                )
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class CountRequests:
    """Count answers by route template; no path or method of a caller becomes a label."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            method = scope["method"] if scope["method"] in _METHODS else "(other)"
            api_requests.labels(method, route, str(status)).inc()
            if route != "/v1/stream":
                api_request_seconds.labels(route).observe(time.perf_counter() - began_s)
