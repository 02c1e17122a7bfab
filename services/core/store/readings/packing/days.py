"""Days packed and opened again, in the caller's transaction. A packed row is a run of days.

Who writes readings that may lie in packed days calls :func:`open_for_writing` first, which also
keeps packers off until the transaction ends. Who packs holds the facility, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import psycopg

from services.core.store.database import locks
from services.core.store.packing.blobs import DamagedError
from services.core.store.packing.days import (
    NOTHING_PACKED,
    DamagedDayError,
    Integers,
    PackedDay,
    days_of,
    instants,
)
from services.core.store.packing.opening import Openable, open_packed
from services.core.store.readings.packing import archived, codec
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.packing.columns import (
    ReadingColumns,
    SeriesColumns,
    is_run,
)
from services.core.store.schema.packed_runs import overlapping
from services.core.timeline.instants import DAY_US

#: Readings younger than this lie in no packed day, as ``pack_readings`` sees to with a day to
#: spare: a clock that jumps by less makes no difference.
NEVER_PACKED_US: Final = DAY_US

_TAKE: Final = "SELECT day, days, sent FROM take_readings(%s, %s, %s, %s)"

#: Puts packed rows in the place of what was taken: channel, first days, series and arrivals.
PACK: Final = "SELECT pack_readings(%s, %s::int4[], %s, %s)"

#: Runs that are packed and have rows beside, of which there are none but by mishap.
_MIXED: Final = f"""
SELECT p.day FROM packed_readings p
WHERE p.channel_id = %(channel)s AND {overlapping("%(first)s", "%(last)s")} AND EXISTS (
    SELECT FROM public.reading r
    WHERE r.channel_id = p.channel_id AND r.ts >= minute_start(1440 * p.day)
      AND r.ts < minute_start(1440 * (p.day + p.days)))
"""  # noqa: S608 - constants

_OF_OTHER_DAYS: Final = "it is not of the days that it stands for"

_LOCK: Final = """
SELECT pg_advisory_xact_lock_shared(%s, f.id)
FROM (SELECT DISTINCT d.facility_id AS id FROM channel c JOIN device d ON d.id = c.device_id
      WHERE c.id = ANY(%s) ORDER BY 1) f
"""

_PACKED: Final = f"""
SELECT p.id, p.channel_id, p.day, p.days, p.series, p.arrival
FROM (SELECT DISTINCT p.channel_id, p.day
      FROM unnest(%s::int8[], %s::int8[]) AS x(channel_id, day)
      JOIN packed_readings p ON p.channel_id = x.channel_id AND {overlapping("x.day", "x.day")}) w
JOIN packed_readings p ON p.channel_id = w.channel_id AND p.day = w.day
ORDER BY p.channel_id, p.day
"""  # noqa: S608 - constants

_UNPACK: Final = """
SELECT unpack_readings(%s, %s, %s, %s::timestamptz[], %s::float8[], %s::bool[], %s::int2[],
                       %s::int2[], %s::timestamptz[], %s::timestamptz[], %s::bool[])
"""


def unpacked(
    channel_id: int, day: int, days: int, series: bytes | None, arrival: bytes | None
) -> ReadingColumns:
    """Unpack a row of packed readings, a run of days.

    :raises ArchivedDayError: they are in the archive alone.
    :raises DamagedDayError: it is not what was packed.
    """
    if series is None or arrival is None:
        raise ArchivedDayError(channel_id, day)
    try:
        readings = codec.unpack(bytes(series), bytes(arrival))
    except DamagedError as error:
        raise damaged(channel_id, day, str(error)) from error
    if not readings.is_run(day, days):
        raise damaged(channel_id, day, _OF_OTHER_DAYS)
    return readings


def unpacked_series(channel_id: int, day: int, days: int, series: bytes | None) -> SeriesColumns:
    """Unpack what a row of packed readings says, without how it arrived.

    :raises ArchivedDayError: they are in the archive alone.
    :raises DamagedDayError: it is not what was packed.
    """
    if series is None:
        raise ArchivedDayError(channel_id, day)
    try:
        readings = codec.unpack_series(bytes(series))
    except DamagedError as error:
        raise damaged(channel_id, day, str(error)) from error
    if not is_run(readings.ts_us, day, days):
        raise damaged(channel_id, day, _OF_OTHER_DAYS)
    return readings


def damaged(channel_id: int, day: int, reason: str) -> DamagedDayError:
    """Return the error that a damaged day of a channel is."""
    return DamagedDayError(f"readings of channel {channel_id}", day, reason, "packed_readings")


def pack(
    connection: psycopg.Connection[Any],
    channel_id: int,
    day: int,
    *,
    known_before: datetime | None = None,
) -> PackedDay:
    """Pack a day as :func:`pack_days` does several."""
    return pack_days(connection, channel_id, day, day, known_before=known_before)


def pack_days(
    connection: psycopg.Connection[Any],
    channel_id: int,
    first: int,
    last: int,
    *,
    known_before: datetime | None = None,
) -> PackedDay:
    """Put packed rows in the place of all that a channel has of days, both included.

    Each is a run of days with few readings, or a day. The caller holds the facility. What of a day
    is packed already is opened first. A day stays as it is where a reading was known later than
    ``known_before``.

    :raises psycopg.errors.LockNotAvailable: somebody writes old readings of the facility.
    :raises psycopg.errors.SerializationFailure: somebody changed them all the same.
    :raises DamagedError: a day cannot be packed.
    """
    key = {"channel": channel_id, "first": first, "last": last}
    mixed = connection.execute(_MIXED, key).fetchall()
    for (day,) in mixed:
        open_days(connection, np.array([channel_id]), np.array([day]))
    packed = NOTHING_PACKED
    while first <= last:
        taken = connection.execute(
            _TAKE, (channel_id, first, last, known_before or "infinity"), binary=True
        ).fetchall()
        # the day that came last without its rows is left out
        first = taken[-1][0] + 1 if taken and taken[-1][2] is None else last + 1
        packed += _put(connection, channel_id, [row for row in taken if row[2] is not None])
    return packed


def _put(
    connection: psycopg.Connection[Any], channel_id: int, taken: list[tuple[int, int, bytes]]
) -> PackedDay:
    if not taken:
        return NOTHING_PACKED
    rows, number_of_days, blobs = 0, 0, []
    for day, days, sent in taken:
        readings = ReadingColumns.received(sent)
        if not readings.is_run(day, days):
            raise DamagedError("its readings are not of these days, or not in order")
        rows += len(readings)
        number_of_days += 1 if days == 1 else len(np.unique(days_of(readings.ts_us)))
        blobs.append(codec.pack(readings))
    series, arrival = ([blob[i] for blob in blobs] for i in (0, 1))
    firsts = [day for day, _, _ in taken]
    connection.execute(PACK, (channel_id, firsts, series, arrival), binary=True)
    return PackedDay(rows=rows, packed_bytes=sum(map(len, series + arrival)), days=number_of_days)


def open_for_writing(
    connection: psycopg.Connection[Any], channel_ids: Sequence[int] | Integers, days: Integers
) -> None:
    """Keep packers off the channels until the transaction ends, and open these days of them.

    ``channel_ids`` and ``days`` are pairs, any of them several times.

    :raises DamagedDayError: a day cannot be opened.
    :raises ArchivedDayError: a day is in the archive alone.
    """
    if not len(channel_ids):
        return
    keep_packers_off(connection, channel_ids)
    channels = np.asarray(channel_ids, dtype=np.int64)
    archived.check_open(connection, channels, days)
    open_days(connection, channels, days)


def keep_packers_off(
    connection: psycopg.Connection[Any], channel_ids: Sequence[int] | Integers
) -> None:
    """Let nobody pack the channels' facilities until the transaction ends.

    Waits for a packer's transaction, which is a fraction of a second.
    """
    connection.execute(_LOCK, (locks.HISTORY, sorted(set(map(int, channel_ids)))))


def open_days(connection: psycopg.Connection[Any], channel_ids: Integers, days: Integers) -> int:
    """Make rows of packed days again, and of all that is packed in one row with them.

    Returns how many packed rows there were. See :func:`open_for_writing`.

    :raises ArchivedDayError: one of them is in the archive alone.
    """
    try:
        return len(open_packed(connection, _READINGS, channel_ids, days))
    except ArchivedDayError as error:
        names = connection.execute(archived.NAMES, {"channel": error.channel_id}).fetchone()
        raise archived.named(error, names) from None


def _arrays(
    channel_id: int, day: int, days: int, series: bytes | None, arrival: bytes | None
) -> tuple[Any, ...]:
    readings = unpacked(channel_id, day, days, series, arrival)
    return (
        instants(readings.ts_us),
        readings.value,
        readings.missing,
        readings.quality.astype(np.int16),
        readings.time_source.astype(np.int16),
        instants(readings.received_us),
        instants(readings.known_us),
        readings.unknown,
    )


_READINGS: Final = Openable(packed=_PACKED, unpack=_UNPACK, arrays=_arrays, damaged=damaged)
