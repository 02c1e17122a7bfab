"""How far the aggregator is with each facility: ``facility_progress``.

Minutes count from the epoch. A facility's row changes with each tick that changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import class_row

from services.core.store.database import notify
from services.core.store.database.database_time import PRESENT
from services.core.store.emissions.deferred_minutes import TO_FOLLOW
from services.core.store.packing import opened
from services.core.timeline.instants import EPOCH

#: Aggregators that share a database are less far from each other.
_SLACK_S: Final = 180

_IS_AHEAD: LiteralString = f"""
greatest(p.carried_to, p.rolled_to, p.judged_to)
    > %(now)s::timestamptz + interval '{_SLACK_S} seconds'
"""

_WAITING: LiteralString = f"""
SELECT p.facility_id, p.sequence,
       abs(extract(epoch FROM {PRESENT} - p.changed_at))::float8 AS idle_s
FROM facility_progress p JOIN facility f ON f.id = p.facility_id
WHERE EXISTS (SELECT FROM touched t WHERE t.facility_id = p.facility_id)
   OR EXISTS (SELECT FROM recompute r WHERE r.facility_id = p.facility_id)
   OR EXISTS (SELECT FROM following_minutes m
              WHERE m.facility_id = p.facility_id AND {TO_FOLLOW})
   OR NOT coalesce(p.settled_at >= f.retired_at, false) AND (
      p.hours_wait OR p.carried_to IS NULL
      OR p.carried_to < date_trunc('minute', %(now)s::timestamptz)
      OR p.rolled_to IS NULL
      OR {_IS_AHEAD}
      OR p.rolled_to < date_trunc(
          'minute', %(now)s::timestamptz - make_interval(secs => (p.facility_id - 1) * 37 %% 60)))
ORDER BY p.changed_at
"""  # noqa: S608 - a condition of this module

_READ: LiteralString = f"""
SELECT minute_of(carried_to) AS carried_to,
       minute_of(rolled_to) AS rolled_to, hours_wait, sequence,
       ARRAY(SELECT DISTINCT step FROM recompute r
             WHERE r.facility_id = p.facility_id) AS queued,
       EXISTS (SELECT FROM following_minutes f
               WHERE f.facility_id = p.facility_id AND {TO_FOLLOW}) AS has_deferred,
       EXISTS (SELECT FROM set_aside a WHERE a.facility_id = p.facility_id
               AND a.service = 'aggregator' AND a.kind = 'masses') AS noted,
       {_IS_AHEAD} AS ahead, minute_of(judged_to) AS evaluated_to,
       coalesce((SELECT minute_of(horizon) FROM reading_horizon), 0) AS readings_from,
       coalesce((SELECT upto_day FROM packing_horizon WHERE id = {opened.READINGS.id}), 0)
           AS unpacked_from_day
FROM facility_progress p WHERE facility_id = %(facility)s
"""  # noqa: S608 - a condition of this module

_ADVANCE = """
WITH changed AS (
UPDATE facility_progress
SET sequence = sequence + 1, changed_at = known_now(),
    carried_to = greatest(carried_to, minute_start(%(carried_to)s)),
    rolled_to = greatest(rolled_to, minute_start(%(rolled_to)s)),
    hours_wait = %(hours_wait)s
WHERE facility_id = %(facility)s)
SELECT pg_notify(%(channel)s, %(slug)s)
"""

_PUT_BACK = """
UPDATE facility_progress
SET carried_to = least(carried_to, %(before)s), rolled_to = NULL,
    judged_to = least(judged_to, %(before)s), sequence = sequence + 1
WHERE facility_id = %(facility)s
"""

_SET_EVALUATED = """
UPDATE facility_progress SET judged_to = greatest(judged_to, minute_start(%s))
WHERE facility_id = %s
"""

_POSTPONE = """
UPDATE facility_progress SET judged_to = least(judged_to, minute_start(%s))
WHERE facility_id = %s AND judged_to IS NOT NULL
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a facility is, and what waits for it."""

    #: the minute that values were carried into, and that windows were moved in; None: never
    carried_to: int | None = None
    rolled_to: int | None = None
    #: the last tick left hours to close
    hours_wait: bool = False
    sequence: int = 0
    #: steps of what waits in ``recompute``
    queued: Sequence[str] = ()
    #: minutes still follow a new factor
    has_deferred: bool = False
    #: masses of some minutes cannot be
    noted: bool = False
    #: it was made by a clock that was ahead
    ahead: bool | None = False
    #: the last minute that thresholds were evaluated for; None: never
    evaluated_to: int | None = None
    #: the first minute from which on no reading was dropped, of any channel; None: not known
    readings_from: int | None = None
    #: the first day from which on no readings of the facility are packed while it is held; None:
    #: not known
    unpacked_from_day: int | None = None

    @property
    def next_version(self) -> int:
        """The version that this tick makes."""
        return self.sequence + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticks:
    """What the last tick of a facility left."""

    #: the minute that values were carried into; None: there was none
    carried_to: datetime | None
    hours_wait: bool
    #: when it was, by the database's clock
    changed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A facility that has work."""

    facility_id: int
    #: as the last tick left it
    sequence: int
    #: seconds since that tick
    idle_s: float


def windows_minute(facility_id: int, now: datetime) -> int:
    """Return the minute to which the facility's windows are due to be moved.

    Each facility's are moved at another second, so that they do not all want to be at once.
    """
    return (int(now.timestamp()) - (facility_id - 1) * 37 % 60) // 60


def waiting(connection: psycopg.Connection[Any], now: datetime) -> list[Waiting]:
    """Read the facilities that have work, those first that were last seen to long ago.

    Each has work when a minute begins, and when its windows are due (:func:`windows_minute`), until
    one aggregator has done it. One that is retired, and all closed, has work only where something
    of its history changes.
    """
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(_WAITING, {"now": now}).fetchall()


def read(connection: psycopg.Connection[Any], facility_id: int, now: datetime) -> Progress:
    """Read how far a facility is; at the beginning where it has no row yet."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        row = cursor.execute(_READ, {"facility": facility_id, "now": now}).fetchone()
        return row or Progress()


def read_ticks(connection: psycopg.Connection[Any], facility_id: int) -> Ticks:
    """Read what the facility's last tick left."""
    with connection.cursor(row_factory=class_row(Ticks)) as cursor:
        ticks = cursor.execute(
            "SELECT carried_to, hours_wait, changed_at FROM facility_progress"
            " WHERE facility_id = %s",
            (facility_id,),
        ).fetchone()
        return ticks or Ticks(carried_to=None, hours_wait=False, changed_at=EPOCH)


def advance(
    connection: psycopg.Connection[Any],
    facility_id: int,
    *,
    slug: str,
    hours_wait: bool,
    carried_to: int | None = None,
    rolled_to: int | None = None,
) -> None:
    """Write that a tick changed the facility, and tell listeners; minutes None: as they were."""
    notify.tell_step(connection.execute, notify.TRACED_TOTALS, slug)
    connection.execute(
        _ADVANCE,
        {
            "facility": facility_id,
            "slug": slug,
            "hours_wait": hours_wait,
            "carried_to": carried_to,
            "rolled_to": rolled_to,
            "channel": notify.LIVE,
        },
    )


def put_back(connection: psycopg.Connection[Any], facility_id: int, before: datetime) -> None:
    """Put progress back that lies after an instant; windows are to be moved anew."""
    connection.execute(_PUT_BACK, {"facility": facility_id, "before": before})


def set_evaluated(connection: psycopg.Connection[Any], facility_id: int, minute: int) -> None:
    """Write that thresholds are evaluated up to a minute, included."""
    connection.execute(_SET_EVALUATED, (minute, facility_id))


def postpone_evaluation(connection: psycopg.Connection[Any], facility_id: int, minute: int) -> None:
    """Have thresholds evaluated again from the minute after this one on."""
    connection.execute(_POSTPONE, (minute, facility_id))
