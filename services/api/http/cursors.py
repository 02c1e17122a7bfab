"""Cursors: where an answer ended, as the next request tells it. They come back from anybody."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from services.api.http.answers import rfc3339
from services.api.http.problems import Malformed
from services.core.timeline.relative import NEWEST, OLDEST

#: Ids and versions are bigint columns.
_LARGEST = (1 << 63) - 1
#: The longest that tonne writes is a time and two ids of 63 characters.
_MOST_CHARACTERS = 400


def written(*parts: datetime | str | int) -> str:
    """A cursor; its parts must hold no space."""
    text = " ".join(rfc3339(p) if isinstance(p, datetime) else str(p) for p in parts)
    return base64.urlsafe_b64encode(text.encode()).decode()


def parts_of(cursor: str, count: int) -> list[str]:
    """The parts of a cursor of :func:`written`.

    :raises Malformed: it is none, or has another number of parts.
    """
    if len(cursor) > _MOST_CHARACTERS:
        raise _no_cursor()
    try:
        found = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ")
    except (binascii.Error, ValueError):
        raise _no_cursor() from None
    if len(found) != count or not all(part.isprintable() and part for part in found):
        raise _no_cursor()
    return found


def instant(part: str) -> datetime:
    """A part that is a time.

    :raises Malformed: it is none, has no offset, or lies where no answer can end.
    """
    try:
        found = datetime.fromisoformat(part)
    except ValueError:
        raise _no_cursor() from None
    if found.tzinfo is None or not OLDEST <= found <= NEWEST:
        raise _no_cursor()
    return found


def number(part: str) -> int:
    """A part that is an id or a version; also a whole cursor that is one.

    :raises Malformed: it is none.
    """
    if not (part.isascii() and part.isdigit()) or len(part) > len(str(_LARGEST)):
        raise _no_cursor()
    found = int(part)
    if not 0 < found <= _LARGEST:
        raise _no_cursor()
    return found


def _no_cursor() -> Malformed:
    return Malformed("cursor: take it from the `Link` header of an answer")
