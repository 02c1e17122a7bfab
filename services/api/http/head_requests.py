"""``HEAD``: as ``GET`` is answered, with the same head and nothing after it (RFC 9110, 9.3.2)."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.admission.connections import WIRE

_ALLOW: Final = b"allow"

#: What routing finds out, and whoever counts requests reads afterwards.
_ROUTED: Final = ("route", "endpoint")


class HeadAsGet:
    """Let the application answer ``HEAD`` as ``GET``, by every check and limit, and drop the body.

    A stream ends with its head: it is not given the connection, past which its events would go.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_head = scope["method"] == "HEAD"

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 405:
                    named = [_allowing(*pair) for pair in message["headers"]]
                    message = {**message, "headers": named}
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        if not is_head:
            await self._app(scope, receive, sent)
            return
        extensions = {
            name: value for name, value in scope.get("extensions", {}).items() if name != WIRE
        }
        # a scope of its own: the server asks its own one whether a body is to come
        asked: Scope = {**scope, "method": "GET", "extensions": extensions}
        try:
            await self._app(asked, receive, sent)
        finally:
            scope.update({name: asked[name] for name in _ROUTED if name in asked})


def _allowing(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a header; where it lists methods of which one is GET, HEAD is another."""
    if name.lower() != _ALLOW:
        return name, value
    methods = value.split(b", ")
    if b"GET" in methods and b"HEAD" not in methods:
        methods.insert(methods.index(b"GET") + 1, b"HEAD")
    return name, b", ".join(methods)
