"""Lets archived days leave the database, and says where readings are missing then.

Which days those are follows from the months that were asked to leave (:mod:`.spans`), and is found
anew each time: whoever is killed has done some channels, and the next run does the others.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import psycopg

from services.core.store.packing import walk
from services.core.store.readings.archive.spans import Leaving, StoredDay, leaving
from services.core.store.readings.packing import candidates

#: A tick may take seconds after an outage.
_PATIENCE_S: Final = 120.0

_REMOVED: Final = """
UPDATE archive_file SET removed_at = CASE WHEN %(removed)s THEN now() END
WHERE facility_id = %(facility)s AND month = ANY(%(months)s)
  AND (removed_at IS NOT NULL) <> %(removed)s
"""

_MONTHS: Final = """
SELECT month, removed_at IS NOT NULL FROM archive_file WHERE facility_id = %s
"""

_DAYS: Final = """
SELECT day, days, usable, archived, series IS NOT NULL FROM packed_readings
WHERE channel_id = %s ORDER BY day
"""

#: Days that are rows before a day: whatever is removed, these stay. Below the horizon lies what
#: retention kept, where nothing is computed.
_ROWS: Final = """
SELECT DISTINCT (floor(extract(epoch FROM ts) / 86400))::int FROM public.reading
WHERE channel_id = %s AND ts >= coalesce((SELECT horizon FROM reading_horizon), '-infinity')
  AND ts < minute_start(1440 * %s::int8)
"""

_REMOVE: Final = "SELECT remove_archived(%s, %s)"

_CLEAR_SPANS: Final = "DELETE FROM archived_span WHERE channel_id = %s"
_ADD_SPAN: Final = """
INSERT INTO archived_span (channel_id, first_day, last_day, first_uncomputed, last_uncomputed)
VALUES (%s, %s, %s, %s, %s)
"""


class FacilityBusyError(RuntimeError):
    """The aggregator kept the facility for too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedMonths:
    """The months of a facility that have a file, and those of them that were asked to leave."""

    archived: frozenset[date]
    removed: frozenset[date]


def archived_months(connection: psycopg.Connection[Any], facility_id: int) -> ArchivedMonths:
    """Read which months of a facility are archived."""
    rows = connection.execute(_MONTHS, (facility_id,)).fetchall()
    return ArchivedMonths(
        archived=frozenset(month for month, _ in rows),
        removed=frozenset(month for month, removed in rows if removed),
    )


def mark(
    connection: psycopg.Connection[Any],
    facility_id: int,
    months: Collection[date],
    *,
    removed: bool,
) -> None:
    """Note that months are to leave, or to stay."""
    connection.execute(
        _REMOVED, {"facility": facility_id, "months": list(months), "removed": removed}
    )


def stored_days(connection: psycopg.Connection[Any], channel_id: int) -> list[StoredDay]:
    """Read the days of a channel up to its last packed one."""
    days = [
        StoredDay(day=day, days=run, usable=usable, archived=archived, present=present)
        for day, run, usable, archived, present in connection.execute(_DAYS, (channel_id,))
    ]
    if days:
        bounds = (channel_id, days[-1].last + 1)
        rows = {day for (day,) in connection.execute(_ROWS, bounds, prepare=False)}
        days = [day for day in days if rows.isdisjoint(range(day.day, day.last + 1))]
        days += [StoredDay(day=day, usable=0, archived=False, present=True) for day in rows]
        days.sort(key=lambda day: day.day)
    return days


def remove(
    connection: psycopg.Connection[Any], facility_id: int, channel_ids: Sequence[int]
) -> Iterator[int | None]:
    """Let the days of each channel go that may; yield how many did, None: it has to wait.

    A channel waits while anything that its days feed is not final, or is to be computed. A
    transaction for each.

    :raises FacilityBusyError: the aggregator kept the facility for too long.
    """
    for channel_id in channel_ids:
        yield _remove(connection, facility_id, channel_id)


def _remove(connection: psycopg.Connection[Any], facility_id: int, channel_id: int) -> int | None:
    with _alone(connection, facility_id):
        months = archived_months(connection, facility_id)
        days = stored_days(connection, channel_id)
        plan = leaving(days, months.removed, months.archived)
        going = [day.day for day in days if day.day in plan.days and day.present]
        if not going:
            return 0
        if candidates.settled_days(connection, channel_id, going[0], going[-1]) is None:
            return None
        _note_spans(connection, channel_id, plan)
        connection.execute(_REMOVE, (channel_id, np.array(going, dtype=np.int32)))
        return len(going)


def keep(
    connection: psycopg.Connection[Any],
    facility_id: int,
    channel_ids: Sequence[int],
    month: date,
) -> None:
    """Note that a month stays, all of whose readings are back, and what is missing now.

    :raises FacilityBusyError: the aggregator kept the facility for too long.
    """
    months = archived_months(connection, facility_id)
    for channel_id in channel_ids:
        with _alone(connection, facility_id):
            days = stored_days(connection, channel_id)
            plan = leaving(days, months.removed - {month}, months.archived)
            _note_spans(connection, channel_id, plan)
    mark(connection, facility_id, [month], removed=False)


def _note_spans(connection: psycopg.Connection[Any], channel_id: int, plan: Leaving) -> None:
    connection.execute(_CLEAR_SPANS, (channel_id,))
    for archived_span in plan.archived_spans:
        connection.execute(
            _ADD_SPAN,
            (
                channel_id,
                archived_span.first_day,
                archived_span.last_day,
                archived_span.first_uncomputed,
                archived_span.last_uncomputed,
            ),
        )


@contextmanager
def _alone(connection: psycopg.Connection[Any], facility_id: int) -> Iterator[None]:
    """Open a transaction in which nobody else computes, packs or writes old days of a facility."""
    patience = time.monotonic() + _PATIENCE_S
    while True:
        with connection.transaction():
            if walk.take(connection, facility_id):
                yield
                return
        if time.monotonic() > patience:
            raise FacilityBusyError("the facility is being computed; try again when that is done")
        time.sleep(0.05)
