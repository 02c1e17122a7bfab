"""Middleware of every request: the size limit and the metrics."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.http.problems import BodyTooLarge
from services.core.runtime.metrics import api_request_seconds, api_requests

#: Clients may send any word as a method; each would become a metric series of its own.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class LimitBody:
    """Refuse a request body of more bytes than ``limit``, announced or not."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        problem = BodyTooLarge(
            f"A request body may hold {self._limit} bytes; send less at once, or raise"
            " TONNE_API_BODY_BYTES."
        )
        if announced.isdigit() and int(announced) > self._limit:
            await problem.response()(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise problem
            return message

        await self._app(scope, counted, send)


class CountRequests:
    """Count answers by route template; no path or method of a client becomes a label."""

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
