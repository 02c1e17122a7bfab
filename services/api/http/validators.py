"""Weak validators of answers (RFC 9110, 8.8.3), told before the answer is made.

A validator is made of the state that the answer follows from and of what was asked, never of the
answer: who asks again with ``If-None-Match`` is told 304 by one short query. It has to change with
everything that the answer depends on; see ``deploy/docs/adr`` on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from importlib.metadata import version
from typing import Annotated, Any, Final

from fastapi import Header
from fastapi.responses import Response

#: The header by which a caller says which answers he has.
IfNoneMatch = Annotated[str, Header(include_in_schema=False)]

#: Another release may answer otherwise.
_RELEASE: Final = version("tonne")

#: OpenAPI of a call that answers so.
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {
        "description": "Nothing has changed since the answer whose `ETag` `If-None-Match` repeats"
    }
}


class Validator:
    """The validator of one answer; ``state``: all that it follows from, and what was asked."""

    def __init__(self, *state: object) -> None:
        parts = "\x1f".join(map(str, (_RELEASE, *state)))
        self.tag = f'W/"{blake2b(parts.encode(), digest_size=12).hexdigest()}"'

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer: it may be kept by whoever asked, and is asked for each time."""
        return {
            "ETag": self.tag,
            "Cache-Control": "private, no-cache",
            "Vary": "Accept, Authorization",
        }

    def holds(self, if_none_match: str) -> bool:
        """Return whether the caller has this answer."""
        return self.tag in map(str.strip, if_none_match.split(","))

    def not_modified(self) -> Response:
        """Answer that nothing changed."""
        return Response(status_code=304, headers=self.headers)


def minute_of(instant: datetime) -> str:
    """Return what of an instant tells which minutes lie before it and which after."""
    minute = instant.replace(second=0, microsecond=0)
    return f"{minute.isoformat()}{'' if instant == minute else '+'}"
