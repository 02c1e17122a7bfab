"""Read what holds for hours of series, now or as it was known at an instant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, Protocol

import numpy as np
import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import Connection

from services.core.accounting.hourly_factors import (
    HOURLY,
    MEANS,
    NO_VALUES,
    Hours,
    KnownValues,
    ResolvedHours,
    means,
    reach,
)
from services.core.store.database.arrays import PackedRows
from services.core.timeline.instants import HOUR_US

_VALUE: Final = PackedRows(series_id="int4", hour="timestamptz", kg="float8")

# Of the versions of an hour the latest holds, by when it could be known.
_VALUES: LiteralString = f"""
SELECT {_VALUE.sql("series_id", "hour", "co2_kg", order_by="series_id, hour")}
FROM (SELECT DISTINCT ON (v.series_id, v.hour) v.series_id, v.hour, v.co2_kg
      FROM unnest(%(series)s::int4[]) AS s(id)
      CROSS JOIN unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS r(begins, ends)
      JOIN factor_value v ON v.series_id = s.id AND v.hour >= r.begins AND v.hour < r.ends
      WHERE %(as_of)s::timestamptz IS NULL OR v.recorded_at <= %(as_of)s
      ORDER BY v.series_id, v.hour, v.known_at DESC, v.recorded_at DESC) q
WHERE co2_kg IS NOT NULL
"""  # noqa: S608 - constants

_LAST: Final = """
SELECT s.id, v.hour FROM unnest(%(series)s::int4[]) AS s(id)
CROSS JOIN LATERAL (
    SELECT hour FROM factor_value
    WHERE series_id = s.id AND (%(as_of)s::timestamptz IS NULL OR recorded_at <= %(as_of)s)
    ORDER BY hour DESC LIMIT 1) v
"""


class Asking(Protocol):
    """A connection on which a statement of the driver's is run, with numpy's arrays."""

    def row(self, sql: LiteralString, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run it and return its first row."""
        ...

    def rows(self, sql: LiteralString, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it and return its rows."""
        ...


class FromPsycopg:
    """Asks on a connection of psycopg."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def row(self, sql: LiteralString, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run it and return its first row."""
        with self._connection.cursor(binary=True, row_factory=tuple_row) as cursor:
            return cursor.execute(sql, parameters).fetchone()

    def rows(self, sql: LiteralString, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it and return its rows."""
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(sql, parameters).fetchall()


class FromSqlalchemy:
    """Asks on a connection of SQLAlchemy."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def row(self, sql: LiteralString, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run it and return its first row."""
        row = self._connection.exec_driver_sql(sql, dict(parameters)).first()
        return None if row is None else tuple(row)

    def rows(self, sql: LiteralString, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it and return its rows."""
        return [tuple(row) for row in self._connection.exec_driver_sql(sql, dict(parameters))]


def known_values(
    asking: Asking, series_ids: Sequence[int], hours: Hours, as_of: datetime | None = None
) -> dict[int, KnownValues]:
    """Read the values of series that hold in hours (ascending, since the epoch), by series.

    ``as_of``: those that tonne knew then; None: now.
    """
    begins, ends = _runs(hours)
    row = asking.row(
        _VALUES,
        {
            "series": np.array(series_ids, dtype=np.int32),
            "begins": _instants(begins),
            "ends": _instants(ends),
            "as_of": as_of,
        },
    )
    columns = _VALUE.columns(None if row is None else row[0])
    series, known = columns["series_id"], {}
    for series_id in series_ids:
        begin, end = np.searchsorted(series, [series_id, series_id + 1])
        known[series_id] = KnownValues(
            hours=columns["hour"][begin:end] // HOUR_US, kg=columns["kg"][begin:end]
        )
    return known


def last_hours(
    asking: Asking, series_ids: Sequence[int], as_of: datetime | None = None
) -> dict[int, int]:
    """Read the last hour of each series that has a value."""
    rows = asking.rows(_LAST, {"series": np.array(series_ids, dtype=np.int32), "as_of": as_of})
    return {series_id: int(hour.timestamp()) // 3600 for series_id, hour in rows}


def resolved_hours(
    connection: psycopg.Connection[Any],
    orders: Mapping[int, Collection[Sequence[str]]],
    hours: Hours,
    as_of: datetime | None = None,
) -> dict[int, ResolvedHours]:
    """Read what holds for hours (ascending, since the epoch) of series, by their values alone.

    ``orders``: by series, in which orders it is asked for values and means. Means are read for
    hours without a value only. ``as_of``: as tonne knew it then; None: now.
    """
    asking = FromPsycopg(connection)
    known = known_values(asking, list(orders), hours, as_of)
    missing = {i: hours[np.isnan(values.kg_at(hours))] for i, values in known.items()}
    lacking = [i for i in known if missing[i].size]
    last = last_hours(asking, lacking, as_of) if lacking else {}
    resolved = {}
    for series_id, values in known.items():
        kg = {HOURLY: values.kg_at(hours), **{name: np.full(hours.size, np.nan) for name in MEANS}}
        left = missing[series_id] if series_id in last else NO_VALUES.hours
        for name in _means_wanted(orders[series_id]):
            if not left.size:
                break
            begin, end = reach(int(left[0]), int(left[-1]) + 1, name)
            around = known_values(asking, [series_id], np.arange(begin, end), as_of)[series_id]
            mean_kg = means(around, last[series_id], left, name)
            kg[name][np.searchsorted(hours, left)] = mean_kg
            if len(orders[series_id]) == 1:
                left = left[np.isnan(mean_kg)]
        resolved[series_id] = ResolvedHours(hours=hours, kg=kg)
    return resolved


def _means_wanted(orders: Collection[Sequence[str]]) -> list[str]:
    """Return the means that any of the orders names, in the order of the first."""
    return list(dict.fromkeys(name for order in orders for name in order if name in MEANS))


def _runs(hours: Hours) -> tuple[Hours, Hours]:
    """Return where runs of hours begin and end (exclusive)."""
    if not hours.size:
        return NO_VALUES.hours, NO_VALUES.hours
    cuts = np.flatnonzero(np.diff(hours) != 1) + 1
    begins = hours[np.concatenate(([0], cuts))]
    return begins, hours[np.concatenate((cuts - 1, [hours.size - 1]))] + 1


def _instants(hours: Hours) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    return (hours * HOUR_US).view("M8[us]")
