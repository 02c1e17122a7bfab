"""Protection against requests that another website sends through a user's browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.admission.gate import PROMETHEUS, key_of
from services.api.http.problems import CrossSite, MisdirectedHost, Problem

#: Any value is accepted: another website cannot send the header without a preflight request.
HEADER = "X-Tonne-Request"

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
#: Methods that change something and that any website can send without a preflight request.
_CHANGES = frozenset({"POST"})
#: What a form can send; anything else needs a preflight request.
_FORM_TYPES = frozenset(
    {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"}
)
#: Methods that change nothing.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def no_form(request: Request) -> None:
    """Refuse a change that a form of another website could have sent.

    A form cannot send an API key, a media type such as JSON's, a header of our own or a method such
    as PUT: for those the browser first sends a preflight request, which the API refuses. Queries of
    Prometheus' clients are forms that change nothing.

    :raises CrossSite: another website could have sent it.
    """
    if request.method not in _CHANGES or request.url.path.startswith(PROMETHEUS):
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (
        media_type in _FORM_TYPES
        and key_of(request.scope) is None
        and HEADER not in request.headers
    ):
        raise CrossSite(
            "Another website could have sent this request; send `Content-Type: application/json`"
            f" with the body, or the header `{HEADER}: 1`."
        )


def from_own_page(request: Request) -> None:
    """Refuse a change that comes with a session's cookie, unless one of our own pages sends it.

    A browser says so by ``Sec-Fetch-Site``; one that is older, by ``Origin``.

    :raises CrossSite: it does not say so.
    """
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is None:
        _, _, rest = request.headers.get("origin", "").partition("://")
        is_own = rest != "" and _parts(rest) == _parts(request.headers.get("host", ""))
    else:
        is_own = site == "same-origin"
    if not is_own:
        raise CrossSite(
            "Another website could have sent this request; with a session, changes come from"
            " tonne's own pages. Programs send a key."
        )


class SameSiteOnly:
    """Without authentication, answer only requests from the API's own pages.

    The request must name this machine as its host: another website could point its own name to
    127.0.0.1 (DNS rebinding). An `Origin` must be that very host and port, because a page of
    another program on this machine is foreign too.
    """

    def __init__(self, app: ASGIApp, *, authenticated: bool) -> None:
        self._app = app
        self._authenticated = authenticated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if not self._authenticated:
                _check_host(headers)
                _check_origin(headers)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _check_host(headers: dict[bytes, str]) -> None:
    if _parts(headers.get(b"host", ""))[0] not in _LOOPBACK_NAMES:
        raise MisdirectedHost(
            "With TONNE_API_AUTH=off, the API only answers to localhost and 127.0.0.1."
        )


def _check_origin(headers: dict[bytes, str]) -> None:
    origin = headers.get(b"origin")
    if origin is not None:
        scheme, _, rest = origin.partition("://")
        if scheme not in {"http", "https"} or _parts(rest) != _parts(headers.get(b"host", "")):
            raise CrossSite(
                "With TONNE_API_AUTH=off, the API only answers its own pages; omit the header"
                " `Origin`, or set TONNE_API_AUTH=required and send a key."
            )


def _parts(host: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return None, None
    return parts.hostname, port
