"""A channel as it was configured at an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from services.core.facility import model

# The first configuration speaks for the time before it.
_CHANNEL = """
SELECT c.id, r.spec
FROM channel c JOIN device d ON d.id = c.device_id
CROSS JOIN LATERAL (
    SELECT spec FROM channel_revision
    WHERE channel_id = c.id
    ORDER BY (known_at <= %(as_of)s) DESC,
             CASE WHEN known_at <= %(as_of)s THEN known_at END DESC, known_at
    LIMIT 1) r
WHERE d.facility_id = %(facility)s AND d.slug = %(device)s AND c.slug = %(channel)s
"""


def channel_as_known(
    connection: psycopg.Connection[Any], facility_id: int, reference: str, as_of: datetime
) -> tuple[int, model.Channel] | None:
    """Read id and configuration at ``as_of`` of ``device.channel``; None: no such channel."""
    device, channel = reference.split(".")
    row = connection.execute(
        _CHANNEL,
        {"facility": facility_id, "device": device, "channel": channel, "as_of": as_of},
    ).fetchone()
    return None if row is None else (row[0], model.Channel.model_validate(row[1]))
