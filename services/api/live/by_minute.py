"""Figures beside live totals that follow from many hours: read once a minute, whoever watches.

A body of live totals is built with each change, several times a second. What is matched or added up
from the hours of a year is kept for the minute in which it was read, with that instant. A facility
that has nothing of the kind has nothing until the registry changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

#: Reads the figures of a facility at an instant, by their keys in the body.
ReadHours = Callable[[AsyncConnection, str, datetime], Awaitable[Mapping[str, Any]]]


class ByMinute:
    """Keeps what was read of each facility in its newest minute."""

    def __init__(self, read: ReadHours) -> None:
        self._read = read
        #: by facility, with the registry's revision and the minute
        self._known: dict[str, tuple[tuple[int, int], Mapping[str, Any]]] = {}

    async def read(
        self, connection: AsyncConnection, facility: str, now: datetime, *, revision: int
    ) -> Mapping[str, Any]:
        """Return the figures; ``revision``: of the registry, read before."""
        key = revision, int(now.timestamp()) // 60
        known = self._known.get(facility)
        if known is None or known[0][0] != revision or (known[0] != key and any(known[1].values())):
            known = self._known[facility] = key, await self._read(connection, facility, now)
        return known[1]
