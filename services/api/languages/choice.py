"""The language of a page: as its address asks, as was chosen before, or as the browser prefers."""

from __future__ import annotations

from typing import Final

from babel.core import negotiate_locale
from fastapi import Request

from services.api.languages import ENGLISH, LANGUAGES

PARAMETER: Final = "language"
COOKIE: Final = "tonne_language"
#: A cookie that changes nothing but words; it is kept for a year.
COOKIE_ATTRIBUTES: Final = "Path=/; Max-Age=31536000; SameSite=Lax"


def asked_language(request: Request) -> str | None:
    """Return the language that the address asks for; None: it names none that there is."""
    asked = request.query_params.get(PARAMETER)
    return asked if asked in LANGUAGES else None


def language_of(request: Request) -> str:
    """Return the language to answer a reader in."""
    for chosen in (asked_language(request), request.cookies.get(COOKIE)):
        if chosen in LANGUAGES:
            return str(chosen)
    return accepted_language(request.headers.get("accept-language", ""))


def accepted_language(header: str) -> str:
    """Return which language an ``Accept-Language`` prefers of those that there are."""
    return negotiate_locale(_accepted(header), list(LANGUAGES), sep="-") or ENGLISH


def _accepted(header: str) -> list[str]:
    """Return the languages of ``Accept-Language`` (RFC 9110, 12.5.4), the most wanted first."""
    weighted: list[tuple[float, str]] = []
    for item in header.split(",")[:20]:
        name, _, weight = item.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if name and quality > 0:
            # names of languages have no case (RFC 9110, 8.5.1), and those that there are have one
            weighted.append((-quality, name.lower()))
    # zh-Hans-CN is refined in two steps where Babel knows one
    names = [name for _, name in sorted(weighted, key=lambda entry: entry[0])]
    return [part for name in names for part in (name, name.split("-")[0])]
