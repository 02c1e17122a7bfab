"""One history for every reader, whether its days are rows or packed.

A reader says first which readings it is about to ask for (:func:`open_days`, :func:`open_span`).
Where some of them are packed, they are unpacked into a table of the session, and until the end of
the transaction its queries find under the name ``reading`` the view ``history.reading`` of both.
Where nothing is, which is told by one row, they find the table itself, and nothing changes.

Two ways there are to see one history, and every reader goes one of them:

- the transaction's isolation is REPEATABLE READ (``opened.snapshot``), or
- it holds the facility (``claims.lock``): nobody packs it then. A day that a late reading opens
  meanwhile makes the view fail with a serialization failure, never tell it twice.

What needs one channel only and is to be fast takes arrays: :mod:`.history_arrays`. So does what
computes, of many channels: :mod:`.series`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString

import numpy as np

from services.core.store.packing import opened
from services.core.store.packing.days import Integers, day_of, instants
from services.core.store.packing.opened import AnyConnection, execute
from services.core.store.readings.packing import archived
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.packing.columns import ReadingColumns
from services.core.store.readings.packing.days import unpacked
from services.core.store.schema.packed_runs import overlapping
from services.core.timeline.instants import to_us

if TYPE_CHECKING:
    # SQLAlchemy's asyncio loads its ORM, which ingest and the aggregator do without
    from sqlalchemy.ext.asyncio import AsyncConnection

#: Before every day, and after.
_FIRST_DAY: Final = -(2**31)
LAST_DAY: Final = 2**31 - 1

_LATELY: Final = """
SELECT now() FROM packing_horizon
WHERE id = 1 AND minute_start(1440 * upto_day::int8) > now() - %(over)s
"""

#: From a day on, one packed row after the other until enough of their readings can be used; of
#: those known later than asked for none is sure to count. Rows known later altogether are left out.
#: A row that reaches into the days asked for is read with them, and counts none.
_NEIGHBOURS: LiteralString = """
    SELECT day FROM (
        WITH RECURSIVE w AS (
            (SELECT p.day, CASE WHEN p.known_to <= {as_of} THEN p.usable ELSE 0 END::int8 AS total
             FROM packed_readings p
             WHERE x.{count} > 0 AND p.channel_id = x.channel_id AND {beyond}
               AND {young}
             ORDER BY p.day {order} LIMIT 1)
            UNION ALL
            SELECT n.day, w.total + n.usable
            FROM w CROSS JOIN LATERAL (
                SELECT p.day, CASE WHEN p.known_to <= {as_of} THEN p.usable ELSE 0 END AS usable
                FROM packed_readings p
                WHERE p.channel_id = x.channel_id AND p.day {further} w.day
                  AND {young}
                ORDER BY p.day {order} LIMIT 1) n
            WHERE w.total < x.{count})
        SELECT day FROM w) n
"""


#: The last of the row's days is not too old.
_YOUNG: LiteralString = overlapping("%(oldest_day)s::int8", str(LAST_DAY))


def _wanted(columns: LiteralString, as_of: LiteralString) -> LiteralString:
    before = (
        _NEIGHBOURS.replace("{count}", "before")
        .replace("{beyond}", "p.day < x.first AND p.day + p.days <= x.first")
        .replace("{further}", "<")
        .replace("{order}", "DESC")
    )
    after = (
        _NEIGHBOURS.replace("{count}", "after")
        .replace("{beyond}", "p.day > x.last")
        .replace("{further}", ">")
        .replace("{order}", "")
    )
    sql: LiteralString = f"""
SELECT {columns}
FROM packed_readings p JOIN (
    SELECT DISTINCT x.channel_id, d.day
    FROM unnest(%(channels)s::int8[], %(first_days)s::int8[], %(last_days)s::int8[],
                %(before)s::int8[], %(after)s::int8[]) AS x(channel_id, first, last, before, after)
    CROSS JOIN LATERAL (
        SELECT p.day FROM packed_readings p
        WHERE p.channel_id = x.channel_id AND {overlapping("x.first", "x.last")}
          AND {{young}}
        UNION ALL {before}
        UNION ALL {after}) d) w ON w.channel_id = p.channel_id AND w.day = p.day
WHERE p.known_from <= {{as_of}}
"""  # noqa: S608 - constants
    return sql.replace("{as_of}", as_of).replace("{young}", _YOUNG)


_COLUMNS: LiteralString = "p.id, p.channel_id, p.day, p.days, p.series, p.arrival"
_WANTED: LiteralString = _wanted(_COLUMNS, "'infinity'")
_WANTED_THEN: LiteralString = _wanted(_COLUMNS, "%(as_of)s::timestamptz")
#: What packed rows of :func:`parameters` say: channel, day, days and series, in order.
WANTED_SERIES: LiteralString = (
    _wanted("p.channel_id, p.day, p.days, p.series", "'infinity'") + " ORDER BY p.channel_id, p.day"
)
_NOT_OPENED: LiteralString = opened.NOT_OPENED.replace("{kind}", "1").replace(
    "{owner}", "channel_id"
)

_FILL: Final = """
INSERT INTO pg_temp.unpacked_reading
    (ts, value, received_at, channel_id, quality, time_source, known_at)
SELECT u.ts, CASE WHEN NOT u.missing THEN u.value END, u.received_at, u.channel_id, u.quality,
       u.time_source, CASE WHEN NOT u.unknown THEN u.known_at END
FROM unnest(%(channels)s::int4[], %(ts)s::timestamptz[], %(value)s::float8[], %(missing)s::bool[],
            %(quality)s::int2[], %(time_source)s::int2[], %(received_at)s::timestamptz[],
            %(known_at)s::timestamptz[], %(unknown)s::bool[])
     AS u(channel_id, ts, value, missing, quality, time_source, received_at, known_at, unknown)
"""


@contextmanager
def names_archived_days(connection: AnyConnection) -> Iterator[None]:
    """Let an :class:`ArchivedDayError` name its facility and channel."""
    try:
        yield
    except ArchivedDayError as error:
        names = execute(connection, archived.NAMES, {"channel": error.channel_id}).fetchone()
        raise archived.named(error, names) from None


async def packed_lately(connection: AsyncConnection, over: timedelta) -> datetime | None:
    """Return the present, if days that end less than ``over`` before it were ever packed."""
    row = (await connection.exec_driver_sql(_LATELY, {"over": over})).one_or_none()
    return row[0] if row else None


def open_days(
    connection: AnyConnection,
    *,
    channels: Integers,
    firsts: Integers,
    lasts: Integers,
    before: Integers | None = None,
    after: Integers | None = None,
    oldest: int | None = None,
    as_of: datetime | None = None,
) -> None:
    """Let queries up to the end of the transaction see the packed readings of some days.

    Of each channel all from its first to its last day (both included, since the epoch), and so many
    usable readings before and after these days; nothing from before the day ``oldest``. Of the
    neighbours only what was known at ``as_of`` counts; what was known later may be left out.

    :raises ArchivedDayError: one of the days is in the archive alone.
    :raises DamagedDayError: one of the days cannot be unpacked.
    """
    if not channels.size:
        return
    horizon = opened.horizon(connection, opened.READINGS)
    if horizon is None:
        return
    if not _may_be_packed(horizon, firsts, before, oldest):
        return
    none = np.zeros(channels.size, dtype=np.int64)
    sql = _WANTED if as_of is None else _WANTED_THEN
    packed = execute(
        connection,
        sql + _NOT_OPENED if horizon.has_tables else sql,
        {
            "channels": channels.astype(np.int64),
            "before": none if before is None else before.astype(np.int64),
            "after": none if after is None else after.astype(np.int64),
            **day_bounds(firsts, lasts, oldest),
            **({} if as_of is None else {"as_of": as_of}),
        },
    ).fetchall()
    if packed:
        _unpack(connection, packed, has_tables=horizon.has_tables)


def may_be_packed(
    connection: AnyConnection, firsts: Integers, before: Integers, oldest: int | None
) -> bool:
    """Return whether any of the days that :func:`open_days` would open may be packed."""
    horizon = opened.horizon(connection, opened.READINGS)
    return horizon is not None and _may_be_packed(horizon, firsts, before, oldest)


def _may_be_packed(
    horizon: opened.Horizon, firsts: Integers, before: Integers | None, oldest: int | None
) -> bool:
    looks_back = before is not None and bool(before.any())
    earliest = _FIRST_DAY if looks_back else int(firsts.min())
    return max(earliest, _FIRST_DAY if oldest is None else oldest) < horizon.upto_day


def day_bounds(firsts: Integers, lasts: Integers, oldest: int | None) -> dict[str, Any]:
    """Return days as statements take them; ``oldest`` None: there is no bound."""
    return {
        "first_days": np.clip(firsts, _FIRST_DAY, LAST_DAY).astype(np.int64),
        "last_days": np.clip(lasts, _FIRST_DAY, LAST_DAY).astype(np.int64),
        "oldest_day": _FIRST_DAY if oldest is None else max(oldest, _FIRST_DAY),
    }


def open_span(
    connection: AnyConnection,
    channel_ids: Sequence[int],
    begins: datetime,
    ends: datetime,
    *,
    as_of: datetime | None = None,
) -> None:
    """Let queries see the packed readings of channels in a span, its end exclusive.

    See :func:`open_days`.
    """
    channels = np.array(list(channel_ids), dtype=np.int64)
    open_days(
        connection,
        channels=channels,
        firsts=np.full(channels.size, day_of(to_us(begins))),
        lasts=np.full(channels.size, day_of(to_us(ends) - 1)),
        as_of=as_of,
    )


def open_newest(
    connection: AnyConnection,
    channel_ids: Sequence[int],
    before: datetime,
    *,
    oldest: datetime,
    as_of: datetime | None = None,
) -> None:
    """Let queries see each channel's newest usable reading between two instants."""
    channels = np.array(list(channel_ids), dtype=np.int64)
    day = np.full(channels.size, day_of(to_us(before)))
    open_days(
        connection,
        channels=channels,
        firsts=day,
        lasts=day,
        before=np.ones(channels.size, dtype=np.int64),
        oldest=day_of(to_us(oldest)),
        as_of=as_of,
    )


def _unpack(
    connection: AnyConnection, packed: Sequence[tuple[Any, ...]], *, has_tables: bool
) -> None:
    with names_archived_days(connection):
        parts = [
            unpacked(channel_id, day, its_days, series, arrival)
            for _, channel_id, day, its_days, series, arrival in packed
        ]
    readings = ReadingColumns.joined(parts)
    channels = np.array([channel_id for _, channel_id, *_ in packed], dtype=np.int64)
    opened.show(
        connection,
        opened.READINGS,
        _FILL,
        {
            "channels": np.repeat(channels, [len(part) for part in parts]).astype(np.int32),
            "ts": instants(readings.ts_us),
            "value": readings.value,
            "missing": readings.missing,
            "quality": readings.quality.astype(np.int16),
            "time_source": readings.time_source.astype(np.int16),
            "received_at": instants(readings.received_us),
            "known_at": instants(readings.known_us),
            "unknown": readings.unknown,
        },
        owners=channels,
        days=np.array([day for _, _, day, *_ in packed], dtype=np.int64),
        ids=np.array([pack_id for pack_id, *_ in packed], dtype=np.int64),
        has_tables=has_tables,
    )
