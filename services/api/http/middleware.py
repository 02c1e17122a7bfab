"""Middleware of every request: the size limit and the metrics."""

from __future__ import annotations

import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.http.problems import BodyTooLarge, Busy
from services.core.runtime.metrics import api_request_seconds, api_requests

#: Clients may send any word as a method; each would become a metric series of its own.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


#: Bodies of readings that may be in memory together: one of the largest, or as many as fit.
_TOGETHER_BYTES = 128 << 20


#: Where parts of files are sent to.
_PART = re.compile(r"/v1/facilities/[^/]+/imports/[^/]+/content\Z")


class LimitBody:
    """Refuse a request body of more bytes than ``limit``, announced or not.

    Bodies of readings may be larger, and are bounded together too.
    """

    def __init__(self, app: ASGIApp, *, limit: int, readings_limit: int) -> None:
        self._app = app
        self._limit = limit
        self._readings_limit = readings_limit
        self._together = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_large = brings_readings(scope)
        limit = self._readings_limit if is_large else self._limit
        setting = "TONNE_READINGS_BODY_BYTES" if is_large else "TONNE_API_BODY_BYTES"
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        problem = BodyTooLarge(
            f"A request body may hold {limit} bytes; send less at once, or raise {setting}."
        )
        if announced.isdigit() and int(announced) > limit:
            await problem.response()(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            if is_large:
                self._together += size
            if received > limit:
                raise problem
            if is_large and self._together > _TOGETHER_BYTES:
                raise Busy("Others are sending much at this moment; send it again.")
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            if is_large:
                self._together -= received


def brings_readings(scope: Scope) -> bool:
    """Whether a request has a body of readings, which ingest reads and the API does not.

    It is one of ``POST /v1/readings``, or a part of a file (:mod:`services.api.routes.imports`).
    """
    method, path = scope["method"], scope["path"]
    return (method == "POST" and path == "/v1/readings") or (
        method == "PUT" and _PART.match(path) is not None
    )


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
