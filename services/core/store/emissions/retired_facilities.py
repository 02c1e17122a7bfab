"""What of a retired facility is still to be done before nobody looks at it any more."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from services.core.store.emissions.deferred_minutes import TO_FOLLOW

# Readings that arrived before, hours that are open, alerts whose end is not told yet.
_SETTLE: LiteralString = f"""
UPDATE facility_progress p SET settled_at = known_now()
WHERE p.facility_id = %(facility)s AND NOT p.hours_wait
  AND p.judged_to > minute_start(%(minute)s)
  AND NOT EXISTS (SELECT FROM touched t WHERE t.facility_id = p.facility_id)
  AND NOT EXISTS (SELECT FROM recompute r WHERE r.facility_id = p.facility_id)
  AND NOT EXISTS (SELECT FROM following_minutes f WHERE f.facility_id = p.facility_id
                  AND {TO_FOLLOW})
  AND NOT EXISTS (SELECT FROM emission_hour h JOIN source s ON s.id = h.source_id
                  WHERE s.facility_id = p.facility_id AND NOT h.final)
  AND NOT EXISTS (SELECT FROM alert a WHERE a.facility_id = p.facility_id
                  AND a.resolved_at IS NULL AND a.undone_at IS NULL)
"""  # noqa: S608 - a condition


def settle(connection: psycopg.Connection[Any], facility_id: int, *, minute: int) -> None:
    """Note that all of a facility is closed, if it is; ``minute``: that it was retired in."""
    connection.execute(_SETTLE, {"facility": facility_id, "minute": minute})
