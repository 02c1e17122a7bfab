"""The dashboard: pages in the reader's language, and their modules.

Pages are templates that know nothing but the language: what they show they fetch by public calls.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from services.api.http.problems import NotFound
from services.api.languages import LANGUAGES
from services.api.languages.catalogues import TRANSLATED, Texts, javascript
from services.api.languages.choice import (
    COOKIE,
    COOKIE_ATTRIBUTES,
    asked_language,
    language_of,
)

router = APIRouter(include_in_schema=False)

_PAGE_HEADERS = {
    # the chart library writes style attributes and draws into data: and blob: images
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Asked for again on every visit, and mostly answered with 304.
_REVALIDATE = "no-cache"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asset:
    plain: bytes
    gzipped: bytes
    etag: str
    media_type: str


#: Addresses of the pages, and their files.
_PAGES = {
    "/": "index.html",
    "/pathway": "pathway.html",
    "/facilities": "facilities.html",
    "/history": "history.html",
    "/reports": "reports.html",
    "/explain": "explain.html",
    "/alerts": "alerts.html",
    "/devices": "devices.html",
    "/configuration": "configuration.html",
    "/wall": "wall.html",
    "/audit": "audit.html",
    "/login": "login.html",
}
#: Modules of the texts that pages look up, by their names.
_CATALOGUES = {f"catalogue.{language}.js": language for language in TRANSLATED}


async def page(request: Request) -> Response:
    """Serve a page in the reader's language; one that the address asks for is remembered."""
    language = language_of(request)
    asset = await run_in_threadpool(_page, _PAGES[request.url.path], language)
    answer = _answer(request, asset, vary="Accept-Encoding, Accept-Language, Cookie")
    if asked_language(request) is not None:
        answer.headers["Set-Cookie"] = f"{COOKIE}={language}; {COOKIE_ATTRIBUTES}"
    return answer


for _address in _PAGES:
    router.add_api_route(_address, page)


@router.get("/assets/{name}")
async def asset(request: Request, name: str) -> Response:
    """Serve a file of the pages."""
    if name in _CATALOGUES:
        return _answer(request, await run_in_threadpool(_catalogue, name))
    if name not in _names():
        raise NotFound(f"Unknown asset {name}.")
    return _answer(request, await run_in_threadpool(_dashboard_file, name))


def _answer(request: Request, asset: _Asset, *, vary: str = "Accept-Encoding") -> Response:
    headers = {
        **_PAGE_HEADERS,
        "Cache-Control": _REVALIDATE,
        "ETag": asset.etag,
        "Vary": vary,
    }
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            asset.gzipped,
            media_type=asset.media_type,
            headers={**headers, "Content-Encoding": "gzip"},
        )
    return Response(asset.plain, media_type=asset.media_type, headers=headers)


@cache
def _names() -> frozenset[str]:
    """Return the files that are served as they are; templates are served as pages."""
    entries = (entry.name for entry in (files("services.api") / "dashboard").iterdir())
    return frozenset(name for name in entries if not name.endswith(".html"))


@cache
def _dashboard_file(name: str) -> _Asset:
    plain = (files("services.api") / "dashboard" / name).read_bytes()
    return _asset(plain, name=name)


@cache
def _page(name: str, language: str) -> _Asset:
    plain = _templates(language).get_template(name).render().encode()
    return _asset(plain, name=name)


@cache
def _templates(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("services.api", "dashboard"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
    )
    environment.policies["ext.i18n.trimmed"] = True
    texts = Texts(language)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        texts.gettext, texts.ngettext, newstyle=False
    )
    environment.globals.update(language=language, languages=LANGUAGES)
    return environment


@cache
def _catalogue(name: str) -> _Asset:
    return _asset(javascript(_CATALOGUES[name]), name=name)


def _asset(plain: bytes, *, name: str) -> _Asset:
    return _Asset(
        plain=plain,
        gzipped=gzip.compress(plain, compresslevel=6, mtime=0),
        etag=f'"{hashlib.sha256(plain).hexdigest()[:24]}"',
        media_type=_MEDIA_TYPES[name[name.rindex(".") :]],
    )
