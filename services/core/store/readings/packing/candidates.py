"""Which days of readings of a channel are packed next, and which of them may go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import psycopg

from services.core.store.packing import walk as walking
from services.core.store.packing.days import NOTHING_PACKED, Settled, begin
from services.core.store.readings.packing import days

_READINGS: Final = walking.Walked(
    table="reading",
    owner="channel_id",
    time="ts",
    # nothing below it is packed: what is left there stays as it is
    horizon="coalesce((SELECT horizon FROM reading_horizon), '-infinity')",
)

#: Whose it is, and whether all that it feeds is settled. Hours depend on readings of a day around.
_SETTLED: Final = """
SELECT d.facility_id
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
WHERE c.id = %(channel)s
  AND NOT EXISTS (
      SELECT FROM source_input i JOIN emission_hour h ON h.source_id = i.source_id
      WHERE i.channel_id = c.id AND NOT h.final
        AND h.hour >= %(begins)s::timestamptz - interval '1 day'
        AND h.hour < %(ends)s::timestamptz + interval '1 day')
  AND NOT EXISTS (SELECT FROM touched t WHERE t.facility_id = f.id AND NOT t.live)
  AND NOT EXISTS (
      SELECT FROM recompute r
      WHERE r.facility_id = f.id AND minute_start(r.from_minute) < %(ends)s
        AND minute_start(r.to_minute) > %(begins)s)
  AND NOT EXISTS (
      SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
"""


#: Days that have no more readings than this together are packed together: a fraction of a batch.
_TOGETHER: Final = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class OfChannel:
    """Something of a channel that the packer looks at."""

    channel_id: int

    @property
    def kind(self) -> str:
        """Say of what kind its rows are."""
        return "readings"

    @property
    def owner(self) -> str:
        """Say whose they are."""
        return f"channel {self.channel_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate(OfChannel):
    """What a channel has of days as rows, old enough to be packed."""

    #: the first, since the epoch, in UTC
    day: int
    last: int

    def settled(self, connection: psycopg.Connection[Any], quiet_since: datetime) -> Settled | None:
        """Return what packs its days whose hours are final, but those with readings known since."""
        facility_id = settled_days(connection, self.channel_id, self.day, self.last)
        runs = [(self.day, self.last)] if facility_id is not None else []
        if facility_id is None and self.day < self.last:
            for day in range(self.day, self.last + 1):
                its_facility = settled_days(connection, self.channel_id, day, day)
                if its_facility is not None:
                    facility_id = its_facility
                    runs.append((day, day))
        if facility_id is None:
            return None
        pack = partial(days.pack_days, connection, self.channel_id, known_before=quiet_since)
        return Settled(
            facility_id=facility_id,
            pack=lambda: sum((pack(*run) for run in runs), start=NOTHING_PACKED),
            by_day={
                day: partial(pack, day, day)
                for first, last in runs
                for day in range(first, last + 1)
            },
        )


def walk(connection: psycopg.Connection[Any], before: datetime) -> Iterator[Candidate]:
    """Yield all that there is in days that end at ``before`` (midnight UTC) or earlier."""
    for channel_id, first, last in walking.walk_runs(connection, _READINGS, before, rows=_TOGETHER):
        yield Candidate(channel_id=channel_id, day=first, last=last)


def settled_days(
    connection: psycopg.Connection[Any], channel_id: int, first: int, last: int
) -> int | None:
    """Return the facility of a channel if all that its days feed is final and computed, else None.

    Of the days ``first`` to ``last``, both included.
    """
    row = connection.execute(
        _SETTLED,
        {"channel": channel_id, "begins": begin(first), "ends": begin(last + 1)},
    ).fetchone()
    return row[0] if row else None
