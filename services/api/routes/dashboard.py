"""The dashboard: pages in the reader's language, and their modules.

Pages are templates that know nothing but the language: what they show they fetch by public calls.
"""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Request
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from services.api.languages import LANGUAGES
from services.api.languages.catalogues import Texts
from services.api.languages.choice import (
    COOKIE,
    COOKIE_ATTRIBUTES,
    asked_language,
    language_of,
)
from services.api.routes.dashboard_assets import (
    Asset,
    asset_of,
    edition,
    file_asset,
    modules_of,
)

router = APIRouter(include_in_schema=False)

_PAGE_HEADERS = {
    # the arrow of a list to choose from is a data: image
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
}
#: Asked for again on every visit, and mostly answered with 304.
_REVALIDATE = "no-cache"
#: The address names the edition of the file.
_FOREVER = "public, max-age=31536000, immutable"

#: Modules that every page has.
_OF_ALL = ("account.js", "choices.js")
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
    "/import": "import.html",
    "/wall": "wall.html",
    "/audit": "audit.html",
    "/login": "login.html",
}


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
    return _answer(request, await run_in_threadpool(file_asset, name))


@router.get("/assets/{release}/{name}")
async def edition_asset(request: Request, release: str, name: str) -> Response:
    """Serve a file of the pages, for good if it is of the edition that is asked for.

    While a release is rolled out, a page may ask for files of the one before or after.
    """
    file = await run_in_threadpool(file_asset, name)
    return _answer(request, file, cache_control=_FOREVER if release == edition() else _REVALIDATE)


def _answer(
    request: Request,
    asset: Asset,
    *,
    vary: str = "Accept-Encoding",
    cache_control: str = _REVALIDATE,
) -> Response:
    headers = {
        **_PAGE_HEADERS,
        "Cache-Control": cache_control,
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
def _page(name: str, language: str) -> Asset:
    plain = _templates(language).get_template(name).render().encode()
    return asset_of(plain, name=name)


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
    environment.globals.update(
        language=language, languages=LANGUAGES, assets=_assets(), module=_module
    )
    return environment


def _assets() -> str:
    return f"/assets/{edition()}"


def _module(name: str) -> Markup:
    """Return the script of a page, after the names of all that it and those of all pages import."""
    script = Markup('<script type="module" src="{}/{}"></script>')
    preload = Markup('<link rel="modulepreload" href="{}/{}">')
    names = dict.fromkeys(file for entry in (*_OF_ALL, name) for file in modules_of(entry))
    return Markup("\n  ").join(
        [preload.format(_assets(), file) for file in names] + [script.format(_assets(), name)]
    )
