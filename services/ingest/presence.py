"""Which devices were heard of, and when: ``device.last_seen``, ``online`` and ``status_at``.

Of two statuses the later one counts, whichever of several ingest processes writes it first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from services.ingest.prepare import Sighting

#: Ordered, so that two writers never wait for each other crosswise.
_UPDATE: Final = """
UPDATE device SET last_seen = greatest(device.last_seen, seen.seen_at),
                  online = CASE WHEN seen.said_at >= coalesce(device.status_at, '-infinity')
                                THEN seen.online ELSE device.online END,
                  status_at = greatest(device.status_at, seen.said_at)
FROM (SELECT * FROM unnest(%s::integer[], %s::timestamptz[], %s::boolean[], %s::timestamptz[])
      AS s (id, seen_at, online, said_at) ORDER BY id) seen
WHERE device.id = seen.id
"""

#: How stale ``last_seen`` may be: every device's row at every batch would cost more than readings.
_EVERY_S: Final = 5.0


class Presence:
    """Collects sightings of committed messages and writes them every few seconds."""

    def __init__(self) -> None:
        self._sightings: dict[int, Sighting] = {}
        self._urgent = False
        self._next_at = 0.0

    def note(self, sightings: Mapping[int, Sighting]) -> None:
        """Take the sightings of a committed batch."""
        for device_id, new in sightings.items():
            old = self._sightings.get(device_id)
            self._sightings[device_id] = old.followed_by(new) if old else new
            self._urgent = self._urgent or new.online is not None

    @property
    def due(self) -> bool:
        """Whether there is something that should be written now."""
        return bool(self._sightings) and (self._urgent or time.monotonic() >= self._next_at)

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Write what was collected and commit."""
        ids = list(self._sightings)
        seen = list(self._sightings.values())
        with connection.transaction():
            connection.execute(
                _UPDATE,
                (
                    ids,
                    [s.seen_at for s in seen],
                    [s.online for s in seen],
                    [s.said_at for s in seen],
                ),
            )
        self._sightings.clear()
        self._urgent = False
        self._next_at = time.monotonic() + _EVERY_S
