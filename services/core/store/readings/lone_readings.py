"""What is known of a device's times, and which of its entries in quarantine stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from services.core.store.readings import history_arrays
from services.core.store.readings.replays import request_by_ingest

#: As ``quarantine_reasons`` calls it; an index is made for it.
STANDS_ALONE: Final = "stands_alone"

_ANY: Final = """
SELECT EXISTS (SELECT FROM reading WHERE channel_id = ANY(%(channels)s))
       OR EXISTS (SELECT FROM packed_readings WHERE channel_id = ANY(%(channels)s))
"""

_ENTRIES: Final = """
SELECT id, ts, received_at FROM quarantine
WHERE facility = %s AND device = %s AND state = 'open' AND reason = 'stands_alone'
  AND ts IS NOT NULL
ORDER BY ts, id LIMIT %s
"""

_DEVICES: Final = """
SELECT DISTINCT facility, device FROM quarantine
WHERE state = 'open' AND reason = 'stands_alone' AND facility IS NOT NULL AND device IS NOT NULL
LIMIT %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoneEntry:
    """An entry in quarantine whose reading stood alone."""

    id: int
    ts: datetime
    received_at: datetime


def any_stored(
    connection: psycopg.Connection[Any],
    channel_ids: Sequence[int],
    intervals: Sequence[tuple[datetime, datetime]],
) -> bool:
    """Return whether anything of the channels is stored in any of the spans, ends exclusive."""
    return any(
        history_arrays.any_between(connection, channel_ids, since, until)
        for since, until in intervals
    )


def anything_stored(connection: psycopg.Connection[Any], channel_ids: Sequence[int]) -> bool:
    """Return whether anything of the channels is stored at all."""
    row = connection.execute(_ANY, {"channels": list(channel_ids)}).fetchone()
    return bool(row and row[0])


def entries(
    connection: psycopg.Connection[Any], facility: str, device: str, *, limit: int
) -> list[LoneEntry]:
    """List a device's open entries that stand alone, by the time of their reading."""
    return [
        LoneEntry(id=item_id, ts=ts, received_at=received_at)
        for item_id, ts, received_at in connection.execute(_ENTRIES, (facility, device, limit))
    ]


def devices(connection: psycopg.Connection[Any], *, limit: int) -> list[tuple[str, str]]:
    """List devices that have such entries, each by its facility and its id."""
    return [(facility, device) for facility, device in connection.execute(_DEVICES, (limit,))]


def release(connection: psycopg.Connection[Any], ids: Sequence[int]) -> None:
    """Have entries tried again, because they stand alone no longer."""
    request_by_ingest(connection, ids, note="it belongs to a back-fill after all")
