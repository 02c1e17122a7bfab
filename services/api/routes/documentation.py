"""The documentation, built from ``deploy/docs`` and carried by the package: no internet needed."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from services.api.http.problems import NotFound

router = APIRouter(include_in_schema=False)

_DIRECTORY = Path(str(files("services.api") / "documentation"))
_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_HANDLER = re.compile(r"\son[a-z]+=\"([^\"]*)\"")


@router.get("/docs")
async def start() -> Response:
    """Redirect to the address with a trailing slash, which relative links need."""
    return RedirectResponse("/docs/")


@router.get("/docs/{path:path}")
async def page(request: Request, path: str) -> Response:
    """Serve a file of the documentation."""
    file = await run_in_threadpool(_file, path)
    headers = {
        "Content-Security-Policy": await run_in_threadpool(_policy, file),
        "X-Frame-Options": "SAMEORIGIN",
        "Cache-Control": "no-cache",
    }
    answer = FileResponse(file, headers=headers, stat_result=file.stat())
    if answer.headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={**headers, "ETag": answer.headers["etag"]})
    return answer


def _file(path: str) -> Path:
    if not _DIRECTORY.is_dir():
        raise NotFound(
            "The documentation is not built; run `make up`, install the wheel, or read deploy/docs"
            " in the repository."
        )
    file = (_DIRECTORY / (path or "index.html")).resolve()
    if file.name and not file.suffix:
        # as a page is called in a sentence: /docs/howto/thresholds
        file = file.with_suffix(".html")
    hidden = any(part.startswith(".") for part in Path(path).parts)
    if hidden or not file.is_relative_to(_DIRECTORY.resolve()) or not file.is_file():
        raise NotFound(f"The documentation has no page {path[:100]}; start at /docs/.")
    return file


def _policy(file: Path) -> str:
    """Return the content security policy: the scripts of this very page run, no others."""
    text = file.read_text(encoding="utf-8") if file.suffix == ".html" else ""
    scripts = {_hash(script) for script in _INLINE_SCRIPT.findall(text)}
    handlers = {_hash(handler) for handler in _HANDLER.findall(text)}
    allowed = ["'self'", *(["'unsafe-hashes'"] if handlers else []), *sorted(scripts | handlers)]
    # pages and the search write style attributes; the reference of the calls is a frame
    return (
        f"default-src 'self'; script-src {' '.join(allowed)}; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; frame-ancestors 'self'; base-uri 'self'; form-action 'none'"
    )


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
