"""What a change of configuration makes to be computed again, told to whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select, text

from services.core.store.schema import tables as t


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedSource:
    """A part of a source's past that is to be computed again."""

    source: str
    begins: datetime
    #: exclusive
    ends: datetime
    #: that it has a total of now, between the two
    hours: int
    reason: str

    def __str__(self) -> str:
        return f"source {self.source} from {self.begins:%Y-%m-%dT%H:%MZ}: {self.reason}"


#: Of a packed month that lies in the span in part, no more than the span has.
_SINCE: Final = text("""
SELECT s.slug AS source, q.begins, q.ends, q.reason, CAST(
       (SELECT count(*) FROM emission_hour h
        WHERE h.source_id = q.source_id AND h.hour >= q.begins AND h.hour < q.ends)
       + (SELECT coalesce(sum(least(p.hours, extract(epoch FROM
              least(q.ends, p.last_hour + interval '1 hour') - greatest(q.begins, p.first_hour)
          ) / 3600)), 0)
          FROM packed_hours p
          WHERE p.source_id = q.source_id AND p.last_hour >= q.begins AND p.first_hour < q.ends)
       AS int) AS hours
FROM (SELECT r.id, r.source_id, r.reason, minute_start(r.from_minute) AS begins,
             minute_start(r.to_minute) AS ends
      FROM recompute r JOIN facility f ON f.id = r.facility_id
      WHERE r.id > :newest AND f.slug = :facility) q
JOIN source s ON s.id = q.source_id
ORDER BY q.id
""")


def newest(connection: Connection) -> int:
    """Return the newest entry of the queue, to tell later ones from it; needs the registry lock."""
    return int(connection.scalar(select(func.coalesce(func.max(t.recompute.c.id), 0))) or 0)


def since(connection: Connection, newest: int, facility: str) -> list[QueuedSource]:
    """Return what a facility's change has queued since."""
    rows = connection.execute(_SINCE, {"newest": newest, "facility": facility})
    return [QueuedSource(**row) for row in rows.mappings()]
