"""Cursors: where a page of a list ended, as its `Link` header hands them out.

They come back from anybody, so what no page could have ended at is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Generic, TypeVar, get_type_hints

from services.api.http.problems import Malformed
from services.core.timeline.instants import rfc3339
from services.core.timeline.relative import NEWEST, OLDEST

Place = TypeVar("Place", bound=tuple[Any, ...])

#: Ids and versions are bigint columns.
_LARGEST = (1 << 63) - 1
#: The longest that tonne writes is a time and an id of 200 characters of four bytes.
_MAX_CHARACTERS = 1200


class Cursor(Generic[Place]):
    """Writes and reads the cursors of one list.

    ``place`` is a named tuple of what the list is ordered by: times, ids (``str``) and numbers
    (``int``, from 1 on).
    """

    def __init__(self, place: Callable[..., Place]) -> None:
        self._place = place
        self._readers = [_READERS[kind] for kind in get_type_hints(place).values()]

    def write(self, place: Place) -> str:
        """Encode a place."""
        text = " ".join(_text(part) for part in place)
        return base64.urlsafe_b64encode(text.encode()).decode()

    def read(self, cursor: str | None) -> Place | None:
        """Decode what :meth:`write` encoded; None: the list from its beginning.

        :raises Malformed: no page of such a list ended there.
        """
        if cursor is None:
            return None
        try:
            return self._place(*self._parts(cursor))
        except ValueError:
            raise Malformed("cursor: take it from the `Link` header of an answer") from None

    def _parts(self, cursor: str) -> Iterator[Any]:
        if len(cursor) > _MAX_CHARACTERS:
            raise ValueError(cursor)
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
        for read, part in zip(self._readers, text.split(" "), strict=True):
            yield read(part)


def _text(part: datetime | int | str) -> str:
    """Return what reads as ``part``; a bill's number may have the space that divides parts."""
    if isinstance(part, datetime):
        return rfc3339(part)
    return str(part).replace("%", "%25").replace(" ", "%20")


def _instant(part: str) -> datetime:
    instant = datetime.fromisoformat(part)
    if instant.tzinfo is None or not OLDEST <= instant <= NEWEST:
        raise ValueError(part)
    return instant


def _number(part: str) -> int:
    if not (part.isascii() and part.isdigit()) or len(part) > len(str(_LARGEST)):
        raise ValueError(part)
    number = int(part)
    if not 0 < number <= _LARGEST:
        raise ValueError(part)
    return number


def _id(part: str) -> str:
    text = part.replace("%20", " ").replace("%25", "%")
    if not text or not text.isprintable() or _text(text) != part:
        raise ValueError(part)
    return text


_READERS: dict[type, Callable[[str], Any]] = {datetime: _instant, int: _number, str: _id}
