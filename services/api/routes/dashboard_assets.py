"""The files that pages of the dashboard consist of, and how a browser learns of them at once."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from services.api.http.problems import NotFound
from services.api.languages.catalogues import TRANSLATED, Part, javascript

_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Modules of the texts that pages look up, by their names.
_CATALOGUES: Final[dict[str, tuple[str, Part]]] = {
    **{f"catalogue.{language}.js": (language, "pages") for language in TRANSLATED},
    **{f"schema.{language}.js": (language, "schema") for language in TRANSLATED},
}
_IMPORT: Final = re.compile(r'^(?:import|export) (?:[^;]*? from )?"\./([\w-]+\.js)";', re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """A file as it is sent, plain and compressed."""

    plain: bytes
    gzipped: bytes
    etag: str
    media_type: str


def asset_of(plain: bytes, *, name: str) -> Asset:
    """Return ``plain`` in the forms that it is sent in; ``name`` ends with its kind."""
    return Asset(
        plain=plain,
        gzipped=gzip.compress(plain, compresslevel=6, mtime=0),
        etag=f'"{hashlib.sha256(plain).hexdigest()[:24]}"',
        media_type=_MEDIA_TYPES[name[name.rindex(".") :]],
    )


@cache
def file_asset(name: str) -> Asset:
    """Return a file of the pages.

    :raises NotFound: there is none of that name.
    """
    if name in _CATALOGUES:
        return asset_of(javascript(*_CATALOGUES[name]), name=name)
    if name not in _names():
        raise NotFound(f"Unknown asset {name}.")
    return asset_of((files("services.api") / "dashboard" / name).read_bytes(), name=name)


@cache
def edition() -> str:
    """Return what tells all files together from those of another release.

    Addresses of files have it, so that a browser which has them need not ask whether they changed.
    """
    names = sorted({*_names(), *_CATALOGUES})
    etags = "".join(f"{name}{file_asset(name).etag}" for name in names)
    return hashlib.sha256(etags.encode()).hexdigest()[:16]


@cache
def modules_of(name: str) -> tuple[str, ...]:
    """Return a module and all that it imports, itself or through others.

    A page names them, or a browser would learn of each only from the one that imports it.
    """
    names = {name: None}
    waiting = [name]
    while waiting:
        text = file_asset(waiting.pop()).plain.decode()
        imported = [other for other in _IMPORT.findall(text) if other not in names]
        names |= dict.fromkeys(imported)
        waiting += imported
    return tuple(names)


@cache
def _names() -> frozenset[str]:
    """Return the files that are served as they are; templates are served as pages."""
    entries = (entry.name for entry in (files("services.api") / "dashboard").iterdir())
    return frozenset(name for name in entries if not name.endswith(".html"))
