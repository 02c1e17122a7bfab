"""Collects which devices were heard of, and when; writes it every few seconds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from services.core.store.registry import presence
from services.ingest.prepare import Sighting

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
        sightings = list(self._sightings.values())
        with connection.transaction():
            presence.write(
                connection,
                list(self._sightings),
                seen_at=[s.seen_at for s in sightings],
                online=[s.online for s in sightings],
                said_at=[s.said_at for s in sightings],
            )
        self._sightings.clear()
        self._urgent = False
        self._next_at = time.monotonic() + _EVERY_S
