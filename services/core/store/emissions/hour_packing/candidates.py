"""Which source and month of hours is packed next, and whether it may go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np
import psycopg

from services.core.store.emissions.hour_packing import months
from services.core.store.packing.days import Settled, day_of
from services.core.timeline.instants import HOUR_US, to_us

#: Each an index probe: what is packed is no row any more.
_SOURCES: Final = """
SELECT s.id, n.hour FROM source s CROSS JOIN LATERAL (
    SELECT h.hour FROM public.emission_hour h WHERE h.source_id = s.id ORDER BY h.hour LIMIT 1) n
WHERE n.hour < %s ORDER BY s.id
"""
_NEXT: Final = """
SELECT hour FROM public.emission_hour WHERE source_id = %s AND hour >= %s ORDER BY hour LIMIT 1
"""

#: Whose it is, and whether all of it is settled: final, and nothing of it is queued or is new.
_SETTLED: Final = """
SELECT s.facility_id
FROM source s JOIN facility f ON f.id = s.facility_id
WHERE s.id = %(source)s
  AND NOT EXISTS (
      SELECT FROM public.emission_hour h
      WHERE h.source_id = s.id AND h.hour >= %(begins)s AND h.hour < %(ends)s
        AND (NOT h.final OR h.known_at > %(quiet_since)s OR h.opened_at > %(quiet_since)s))
  AND NOT EXISTS (
      SELECT FROM public.emission_hour_history h
      WHERE h.source_id = s.id AND h.hour >= %(begins)s AND h.hour < %(ends)s
        AND h.superseded_at > %(quiet_since)s)
  AND NOT EXISTS (SELECT FROM touched t WHERE t.facility_id = f.id AND NOT t.live)
  AND NOT EXISTS (
      SELECT FROM recompute r
      WHERE r.facility_id = f.id AND minute_start(r.from_minute) < %(ends)s
        AND minute_start(r.to_minute) > %(begins)s)
  AND NOT EXISTS (
      SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What a source has of a month as rows, old enough to be packed."""

    source_id: int
    #: since the year 0, in UTC
    month: int

    @property
    def day(self) -> int:
        """Return the day since the epoch on which it begins."""
        return day_of(to_us(months.begin(self.month)))

    @property
    def kind(self) -> str:
        """Say of what kind its rows are."""
        return "hours"

    @property
    def owner(self) -> str:
        """Say whose they are."""
        return f"source {self.source_id}"

    def settled(self, connection: psycopg.Connection[Any], quiet_since: datetime) -> Settled | None:
        """Return what packs it, if all of it is final and none of it was known since."""
        row = connection.execute(
            _SETTLED,
            {
                "source": self.source_id,
                "begins": months.begin(self.month),
                "ends": months.begin(self.month + 1),
                "quiet_since": quiet_since,
            },
        ).fetchone()
        if row is None:
            return None
        pack = partial(months.pack, connection, self.source_id, self.month)
        return Settled(facility_id=row[0], pack=pack)


def walk(connection: psycopg.Connection[Any], before: datetime) -> Iterator[Candidate]:
    """Yield all that there is in months that end at ``before`` (midnight UTC) or earlier."""
    newest = _month_of(before)
    for source_id, hour in connection.execute(_SOURCES, (months.begin(newest),)).fetchall():
        month = _month_of(hour)
        while month < newest:
            yield Candidate(source_id=source_id, month=month)
            row = connection.execute(_NEXT, (source_id, months.begin(month + 1))).fetchone()
            if row is None:
                break
            month = _month_of(row[0])


def _month_of(instant: datetime) -> int:
    return int(months.months_of(np.array([to_us(instant) // HOUR_US]))[0])
