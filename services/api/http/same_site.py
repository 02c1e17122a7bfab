"""A page of somebody else's must not act through the browser of somebody who may."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.admission.gate import key_of
from services.api.http.problems import CrossSite, MisdirectedHost, Problem

#: Any value will do: a page elsewhere cannot send the header without being asked for permission.
HEADER = "X-Tonne-Request"

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
#: Methods that a page may send anywhere without asking first, and that change something.
_CHANGES = frozenset({"POST"})
#: What a form may send; anything else in a page has the browser ask first.
_FORM_TYPES = frozenset(
    {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"}
)
_ANSWER_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


async def no_form(request: Request) -> None:
    """Refuse a change that a form could have sent, for a browser sends what a form holds anywhere.

    What a form cannot send is a key, a media type such as JSON's, a header of our own, or a method
    such as PUT: for those the browser first asks the API, which allows nobody.

    :raises CrossSite: a page of another site could have sent it.
    """
    if request.method not in _CHANGES:
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (
        media_type in _FORM_TYPES
        and key_of(request.scope) is None
        and HEADER not in request.headers
    ):
        raise CrossSite(
            "A page of another site could have sent this; send `Content-Type: application/json`"
            f" with the body, or the header `{HEADER}: 1`."
        )


class SameSiteOnly:
    """While nobody authenticates, answer the API's own pages and names only, on every call.

    The host that the request names must be this machine: a page elsewhere could let its own name
    point to 127.0.0.1 (DNS rebinding). An `Origin` must be that very host and port, for a page of
    another program on this machine is a foreign page too. No answer may be embedded elsewhere.
    """

    def __init__(self, app: ASGIApp, *, authenticated: bool) -> None:
        self._app = app
        self._authenticated = authenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_missing(message)]}
            await send(message)

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if not self._authenticated:
                _check_host(headers)
                _check_origin(headers)
        except Problem as problem:
            await problem.response()(scope, receive, marked)
            return
        await self._app(scope, receive, marked)


def _missing(message: Message) -> list[tuple[bytes, bytes]]:
    given = {name for name, _ in message["headers"]}
    return [(name, value) for name, value in _ANSWER_HEADERS if name not in given]


def _check_host(headers: dict[bytes, str]) -> None:
    if _parts(headers.get(b"host", ""))[0] not in _LOOPBACK_NAMES:
        raise MisdirectedHost(
            "With TONNE_API_AUTH=off the API answers to localhost and 127.0.0.1 only."
        )


def _check_origin(headers: dict[bytes, str]) -> None:
    origin = headers.get(b"origin")
    if origin is not None:
        scheme, _, rest = origin.partition("://")
        if scheme not in {"http", "https"} or _parts(rest) != _parts(headers.get(b"host", "")):
            raise CrossSite(
                "With TONNE_API_AUTH=off the API answers to its own pages only; leave the header"
                " `Origin` out, or use TONNE_API_AUTH=required and a key."
            )


def _parts(host: str) -> tuple[str | None, int | None]:
    try:
        found = urlsplit(f"//{host}")
        port = found.port
    except ValueError:
        return None, None
    return found.hostname, port
