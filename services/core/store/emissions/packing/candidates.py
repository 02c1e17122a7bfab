"""Which source and day of minutes is packed next, which may go, and which is to be opened.

Every minute of the year a window of 365 days loses the minute that it was about a year before: that
is read where it lies by every tick, every threshold and whoever looks at live totals. So the days
in which a rolling window begins, and the days after, are rows. They are opened a day ahead, a
little at a time, and packed again when the window has passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np
import psycopg

from services.core.accounting.methods import ActivityMethod
from services.core.accounting.minute_rounding import multipliable
from services.core.store.emissions.packing import days
from services.core.store.emissions.packing.codec import Factors
from services.core.store.factor_series.methods import with_hours
from services.core.store.packing import walk as walking
from services.core.store.packing.days import NOTHING_PACKED, PackedDay, Settled, begin
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema.figures import MASSES
from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.windows import ROLLING_MINUTES

_MINUTES: Final = walking.Walked(table="emission_minute", owner="source_id", time="minute")

#: Whose it is, and whether all of it is settled: its hours are final and have been for a while,
#: nothing is queued, and no rolling window begins there.
_SETTLED: Final = """
SELECT s.facility_id
FROM source s JOIN facility f ON f.id = s.facility_id
WHERE s.id = %(source)s
  AND NOT EXISTS (
      SELECT FROM emission_hour h
      WHERE h.source_id = s.id AND h.hour >= %(begins)s AND h.hour < %(ends)s
        AND (NOT h.final OR h.known_at > %(quiet_since)s))
  AND NOT EXISTS (SELECT FROM touched t WHERE t.facility_id = f.id AND NOT t.live)
  AND NOT EXISTS (
      SELECT FROM recompute r
      WHERE r.facility_id = f.id AND minute_start(r.from_minute) < %(ends)s
        AND minute_start(r.to_minute) > %(begins)s)
  AND NOT EXISTS (
      SELECT FROM following_minutes m
      WHERE m.source_id = s.id AND NOT m.packed AND m.begins < %(ends)s AND m.ends > %(begins)s)
  AND NOT EXISTS (
      SELECT FROM rolling_total r
      WHERE r.source_id = s.id AND r.span = ANY(%(windows)s)
        AND r.since < %(ends)s AND r.since >= %(begins)s::timestamptz - interval '1 day')
  AND NOT EXISTS (
      SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
"""

#: Packed days in which a rolling window begins, or will begin after this one.
_WINDOW_BEGINS: Final = """
SELECT DISTINCT p.source_id, p.day
FROM rolling_total r
JOIN packed_minutes p ON p.source_id = r.source_id
 AND p.day IN (minute_of(r.since) / 1440, minute_of(r.since) / 1440 + 1)
WHERE r.span = ANY(%(windows)s)
ORDER BY p.day, p.source_id
"""

_FACILITY: Final = "SELECT facility_id FROM source WHERE id = %s"

Plans = Mapping[int, FacilityPlan]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What a source has of a day as rows, old enough to be packed."""

    source_id: int
    #: since the epoch, in UTC
    day: int
    #: by facility
    plans: Plans

    @property
    def kind(self) -> str:
        """Say of what kind its rows are."""
        return "minutes"

    @property
    def owner(self) -> str:
        """Say whose they are."""
        return f"source {self.source_id}"

    def settled(self, connection: psycopg.Connection[Any], quiet_since: datetime) -> Settled | None:
        """Return what packs it, if it is settled and nothing of it was known since."""
        row = connection.execute(
            _SETTLED,
            {
                "source": self.source_id,
                "begins": begin(self.day),
                "ends": begin(self.day + 1),
                "quiet_since": quiet_since,
                "windows": list(ROLLING_MINUTES),
            },
        ).fetchone()
        if row is None:
            return None
        factors = factors_of(connection, self.plans.get(row[0]), self.source_id, self.day, self.day)
        pack = partial(days.pack, connection, self.source_id, self.day, factors)
        return Settled(facility_id=row[0], pack=pack)


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowBegin:
    """A packed day that a window is about to begin in: its minutes are to be rows."""

    source_id: int
    day: int

    @property
    def kind(self) -> str:
        """Say of what kind its rows are."""
        return "minutes"

    @property
    def owner(self) -> str:
        """Say whose they are."""
        return f"source {self.source_id}"

    def settled(
        self,
        connection: psycopg.Connection[Any],
        quiet_since: datetime,  # noqa: ARG002 - it is opened at once
    ) -> Settled | None:
        """Return what opens it; nothing is packed."""
        row = connection.execute(_FACILITY, (self.source_id,)).fetchone()
        if row is None:
            return None
        pack = partial(_open, connection, self.source_id, self.day)
        return Settled(facility_id=row[0], pack=pack)


def _open(connection: psycopg.Connection[Any], source_id: int, day: int) -> PackedDay:
    days.open_days(connection, np.array([source_id]), np.array([day]))
    return NOTHING_PACKED


def walk(
    connection: psycopg.Connection[Any], before: datetime, plans: Plans
) -> Iterator[Candidate | WindowBegin]:
    """Yield what is to be opened, then all that there is in days that end at ``before``."""
    to_open = connection.execute(_WINDOW_BEGINS, {"windows": list(ROLLING_MINUTES)}).fetchall()
    for source_id, day in to_open:
        yield WindowBegin(source_id=source_id, day=day)
    for source_id, day in walking.walk(connection, _MINUTES, before):
        yield Candidate(source_id=source_id, day=day, plans=plans)


def factors_of(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan | None,
    source_id: int,
    first_day: int,
    last_day: int,
) -> list[Factors]:
    """Return the factors that a source's masses of days are made of; none: they are not."""
    source = None if plan is None else plan.sources.get(source_id)
    method = None if source is None else source.method
    if not isinstance(method, ActivityMethod):
        return []
    first, stop = first_day * DAY_MINUTES, (last_day + 1) * DAY_MINUTES
    if method.series:
        hours = np.arange(first // 60, stop // 60)
        method = with_hours(connection, {source_id: method}, hours)[source_id]
    firsts = [first, *(cut for cut in method.changes() if first < cut < stop)]
    per_unit = method.per_unit(np.array(firsts, dtype=np.int64))
    columns = {mass.name: multipliable(getattr(per_unit, mass.in_kg)) for mass in MASSES}
    return [
        Factors(
            first=minute,
            per_unit_kg={name: float(column[i]) for name, column in columns.items()},
        )
        for i, minute in enumerate(firsts)
    ]
