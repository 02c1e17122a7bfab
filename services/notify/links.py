"""Where people see what they are told of."""

from __future__ import annotations

from urllib.parse import urlencode


def page_of(public_url: str | None, facility: str) -> str | None:
    """Return the address of the page that shows a facility; None: nobody said where pages are."""
    if public_url is None:
        return None
    return f"{public_url.rstrip('/')}/?{urlencode({'facility': facility})}"
