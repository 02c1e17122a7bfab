"""Write values of series; what used the hours that change is computed again.

A value is never overwritten: another one of the same hour is a version of its own, and of the
versions the latest holds, by when it could be known. Since when tonne knows it is the database's
time, so that what was answered before can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString

import numpy as np
from sqlalchemy import Connection, select

from services.core.accounting.hourly_factors import (
    NO_VALUES,
    YEAR,
    Floats,
    Hours,
    KnownValues,
    reach,
)
from services.core.store.database import database_time, locks
from services.core.store.database.arrays import PackedRows
from services.core.store.factor_series.changed_hours import ChangedHours, affected, changed_hours
from services.core.store.factor_series.names import Series
from services.core.store.factor_series.users import hold_registry, hold_users, orders, queue
from services.core.store.factor_series.values import (
    FromSqlalchemy,
    known_values,
    last_hours,
)
from services.core.timeline.instants import HOUR_US, MICROSECOND, from_us, rfc3339, to_us

#: Clocks differ: a value may be known so much later than the present.
AHEAD: Final = timedelta(minutes=5)

_STORED: Final = PackedRows(hour="timestamptz", known_at="timestamptz", kg="float8")

_STORED_NOW: LiteralString = f"""
SELECT {_STORED.sql("hour", "known_at", "coalesce(co2_kg, 'NaN')", order_by="hour")}
FROM (SELECT DISTINCT ON (hour) hour, known_at, co2_kg FROM factor_value
      WHERE series_id = %(series)s AND hour >= %(first)s AND hour <= %(last)s
      ORDER BY hour, known_at DESC, recorded_at DESC) q
"""  # noqa: S608 - constants

_INSERT: LiteralString = """
INSERT INTO factor_value (series_id, hour, known_at, recorded_at, co2_kg)
SELECT %(series)s, x.hour, x.known_at, %(now)s, nullif(x.kg, 'NaN')
FROM unnest(%(hours)s::timestamptz[], %(known)s::timestamptz[], %(kg)s::float8[])
    AS x(hour, known_at, kg)
WHERE NOT EXISTS (
    SELECT FROM factor_value v
    WHERE v.series_id = %(series)s AND v.hour = x.hour AND v.known_at = x.known_at
      AND v.co2_kg IS NOT DISTINCT FROM nullif(x.kg, 'NaN'))
ON CONFLICT DO NOTHING
"""

_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(%(space)s, %(series)s)"


class FutureValueError(ValueError):
    """A value is said to be known only in the future."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewValues:
    """Values of one series, in any order; an hour may have several versions."""

    series: Series
    #: since the epoch
    hours: Hours
    #: kg of CO2 and CO2e per unit of the series; NaN: withdrawn
    kg: Floats
    #: microseconds since the epoch; 0: now
    known_at_us: Hours


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What became of values."""

    #: values of hours that had none
    added: int = 0
    #: values that took the place of another
    revised: int = 0
    #: values that a later one holds against, kept beside it
    superseded: int = 0
    #: values that were there already
    unchanged: int = 0
    #: requests to compute sources again
    requests: int = 0

    def plus(self, other: Recorded) -> Recorded:
        """Return both together."""
        return Recorded(
            added=self.added + other.added,
            revised=self.revised + other.revised,
            superseded=self.superseded + other.superseded,
            unchanged=self.unchanged + other.unchanged,
            requests=self.requests + other.requests,
        )


def record(
    connection: Connection, batch: Sequence[NewValues], *, by: str | None = None
) -> Recorded:
    """Write values in the caller's transaction, all of them or none.

    Waits for what is computed at this moment, and lets nothing be computed of facilities that count
    by the series until the transaction ends.

    :param by: who brings them, as the ledger tells it.
    :raises FutureValueError: a value is said to be known only in the future.
    """
    database_time.date_as_believed(connection)
    recorded = Recorded()
    replaced: list[_Replaced] = []
    # in one order, so that no two wait for each other
    for values in sorted(batch, key=lambda values: values.series.id):
        if values.hours.size:
            of_series, before = _of_series(connection, values)
            recorded = recorded.plus(of_series)
            replaced += [before] if before.hours.size else []
    if not replaced:
        return recorded
    hold_registry(connection)
    stated = {r.series.id: orders(connection, r.series) for r in replaced}
    counted = [r for r in replaced if stated[r.series.id]]
    counting = hold_users(connection, [r.series for r in counted])
    requests = sum(
        queue(
            connection,
            r.series,
            counting[r.series.id],
            r.changed_hours(stated[r.series.id]),
            r.cause(by),
        )
        for r in counted
        if counting[r.series.id].sources
    )
    return replace(recorded, requests=requests)


def _of_series(connection: Connection, values: NewValues) -> tuple[Recorded, _Replaced]:
    series = values.series
    connection.exec_driver_sql(_LOCK, {"space": locks.FACTOR_SERIES, "series": series.id})
    now: datetime = connection.scalar(select(database_time.NOW)) or datetime.now(UTC)
    known_at_us = _known_at_us(values, now)
    # the latest version of an hour comes last; of equal ones the last that was given
    order = np.lexsort((known_at_us, values.hours))
    hours, kg, known_at_us = values.hours[order], values.kg[order], known_at_us[order]
    old_kg, old_us = _stored(connection, series.id, hours)
    # to withdraw a value where there is none says nothing
    same = (old_kg == kg) | (np.isnan(old_kg) & np.isnan(kg))
    latest = np.append(hours[1:] != hours[:-1], True)
    counts = latest & ~same & (known_at_us >= old_us)
    before = _Replaced.read(connection, series, hours[counts], kg[counts], now)
    connection.exec_driver_sql(
        _INSERT,
        {
            "series": series.id,
            "now": now,
            "hours": (hours[~same] * HOUR_US).view("M8[us]"),
            "known": known_at_us[~same].view("M8[us]"),
            "kg": kg[~same],
        },
    )
    revised = int((counts & ~np.isnan(old_kg)).sum())
    added, unchanged = int(counts.sum()) - revised, int(same.sum())
    superseded = hours.size - added - revised - unchanged
    return (
        Recorded(added=added, revised=revised, superseded=superseded, unchanged=unchanged),
        before,
    )


def _known_at_us(values: NewValues, now: datetime) -> Hours:
    now_us = to_us(now)
    latest = int(values.known_at_us.max())
    if latest > now_us + AHEAD // MICROSECOND:
        hour = int(values.hours[values.known_at_us.argmax()])
        raise FutureValueError(
            f"the value of {_shown(hour)} is known from {rfc3339(from_us(latest))} on, which lies"
            " in the future: give as known_at when it was published, or leave it out"
        )
    return np.where(values.known_at_us == 0, now_us, np.minimum(values.known_at_us, now_us))


def _stored(connection: Connection, series_id: int, hours: Hours) -> tuple[Floats, Hours]:
    """Read what each of the hours, ascending, has now, and since when it could be known.

    NaN: nothing, or withdrawn.
    """
    row = connection.exec_driver_sql(
        _STORED_NOW,
        {
            "series": series_id,
            "first": from_us(int(hours[0]) * HOUR_US),
            "last": from_us(int(hours[-1]) * HOUR_US),
        },
    ).one()
    present = _STORED.columns(row[0])
    kg, known_at_us = np.full(hours.size, np.nan), np.full(hours.size, np.iinfo(np.int64).min)
    if present["hour"].size:
        stored = present["hour"] // HOUR_US
        place = np.minimum(np.searchsorted(stored, hours), stored.size - 1)
        has = stored[place] == hours
        kg[has], known_at_us[has] = present["kg"][place[has]], present["known_at"][place[has]]
    return kg, known_at_us


@dataclass(frozen=True, kw_only=True, slots=True)
class _Replaced:
    """What present of a series before values changed, and the values."""

    series: Series
    #: whose values change, ascending
    hours: Hours
    kg: Floats
    #: for which something else may hold then
    reached: Hours
    #: values that count for those
    before: KnownValues
    #: None: there was no value
    last: int | None

    @classmethod
    def read(
        cls, connection: Connection, series: Series, hours: Hours, kg: Floats, now: datetime
    ) -> _Replaced:
        """Read what holds now."""
        reached, before, last = hours, NO_VALUES, None
        if hours.size:
            asking = FromSqlalchemy(connection)
            reached = affected(hours, int(now.timestamp()) // 3600 + 1)
            around = np.arange(*reach(int(reached[0]), int(reached[-1]) + 1, YEAR))
            before = known_values(asking, [series.id], around)[series.id]
            last = last_hours(asking, [series.id]).get(series.id)
        return cls(series=series, hours=hours, kg=kg, reached=reached, before=before, last=last)

    def changed_hours(self, stated: Sequence[Sequence[str]]) -> ChangedHours:
        """Return for which hours something else holds now, by the stated orders of fallbacks."""
        newest = int(self.hours[-1])
        return changed_hours(
            self.before,
            self.last,
            self.before.with_values(self.hours, self.kg),
            newest if self.last is None else max(self.last, newest),
            self.reached,
            stated,
        )

    def cause(self, by: str | None) -> str:
        """Say what changed, as the ledger tells it."""
        first, last = _shown(int(self.hours[0])), _shown(int(self.hours[-1]))
        number = self.hours.size
        cause = f"value of {first}" if number == 1 else f"{number} values of {first} to {last}"
        return cause if by is None else f"{cause}; brought by {by}"


def _shown(hour: int) -> str:
    """Write an hour since the epoch."""
    return rfc3339(from_us(hour * HOUR_US), timespec="minutes")
