"""Check that packed readings are those that were packed, and not only that they make hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from services.aggregator.audit.findings import Difference, Kind, hour_start
from services.core.store.readings.packing import digest_checks


def changed(
    connection: psycopg.Connection[Any],
    facilities: Sequence[str] | None,
    begins: datetime | None,
    ends: datetime | None,
) -> list[Difference]:
    """Return the packed rows of facilities, None: of all, that are others than were packed."""
    return [
        Difference(
            kind=Kind.PACKED,
            facility=row.facility,
            source="",
            source_name="",
            hour=hour_start(row.day * 24),
            detail=f"{row.channel}: {row.reason}",
        )
        for row in digest_checks.changed(connection, facilities, begins, ends)
    ]
