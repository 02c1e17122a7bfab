"""Times that a facility file states without an offset: they are taken for UTC, and that is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.core.facility import places


def warnings(document: Any, timezone: str) -> Iterator[str]:
    """Say of each such time what it counts as, and how to write the clock's own.

    ``timezone``: the facility's.
    """
    for path, stated in _without_offset(document, ()):
        place = places.find(document, path)
        here = stated.replace(tzinfo=ZoneInfo(timezone))
        yield (
            f"line {place.line}: {place.words}: {stated.isoformat()} has no offset and counts as"
            f" UTC; write {stated.replace(tzinfo=UTC).isoformat().replace('+00:00', 'Z')}"
            + (f", or {here.isoformat()} by the facility's clock" if here.utcoffset() else "")
        )


def _without_offset(node: Any, path: places.Path) -> Iterator[tuple[places.Path, datetime]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _without_offset(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _without_offset(value, (*path, number))
    elif isinstance(node, datetime) and node.tzinfo is None:
        # the reader's own kind of time prints what it was written as
        yield path, datetime.fromisoformat(node.isoformat())
