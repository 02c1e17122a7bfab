"""Writes which devices were heard of: ``device.last_seen``, ``online`` and ``status_at``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import psycopg

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


def write(
    connection: psycopg.Connection[Any],
    device_ids: Sequence[int],
    *,
    seen_at: Sequence[datetime | None],
    online: Sequence[bool | None],
    said_at: Sequence[datetime | None],
) -> None:
    """Write a sighting of each device; ``online`` and ``said_at``: what its status said, and when.

    The later of two statuses counts, whichever of several ingest processes writes it first.
    """
    connection.execute(_UPDATE, (list(device_ids), list(seen_at), list(online), list(said_at)))
