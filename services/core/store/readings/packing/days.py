"""Days packed and opened again, each in the caller's transaction.

Who writes readings that may lie in packed days calls :func:`open_for_writing` first, which also
keeps packers off until the transaction ends. Who packs holds the facility, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import numpy as np
import psycopg

from services.core.store.database import locks
from services.core.store.packing.blobs import DamagedError
from services.core.store.packing.days import (
    DamagedDayError,
    Integers,
    PackedDay,
    begin,
    day_of,
    instants,
)
from services.core.store.packing.opening import Openable, open_packed
from services.core.store.readings.packing import archived, codec
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.packing.columns import (
    ROW,
    ReadingColumns,
    SeriesColumns,
    digest,
)
from services.core.timeline.instants import DAY_US, to_us

#: Readings younger than this lie in no packed day, as ``pack_readings`` sees to with a day to
#: spare: a clock that jumps by less makes no difference.
NEVER_PACKED_US: Final = DAY_US

_ROW: Final[LiteralString] = ROW.sql(
    "ts",
    "coalesce(value, 0)",
    "value IS NULL",
    "quality",
    "time_source",
    "received_at",
    "coalesce(known_at, timestamptz 'epoch')",
    "known_at IS NULL",
    order_by="ts",
)

#: Everything that a channel has of a span as rows.
STORED: Final[LiteralString] = (
    "SELECT " + _ROW + " FROM public.reading"  # noqa: S608 - constants
    " WHERE channel_id = %(channel)s AND ts >= %(begins)s AND ts < %(ends)s"
)

_PACK: Final = "SELECT pack_readings(%s, %s, %s, %s, %s)"

_LOCK: Final = """
SELECT pg_advisory_xact_lock_shared(%s, f.id)
FROM (SELECT DISTINCT d.facility_id AS id FROM channel c JOIN device d ON d.id = c.device_id
      WHERE c.id = ANY(%s) ORDER BY 1) f
"""

_PACKED: Final = """
SELECT p.id, p.channel_id, p.day, p.series, p.arrival
FROM unnest(%s::int8[], %s::int8[]) AS x(channel_id, day)
JOIN packed_readings p ON p.channel_id = x.channel_id AND p.day = x.day
ORDER BY p.channel_id, p.day
"""

_UNPACK: Final = """
SELECT unpack_readings(%s, %s, %s, %s::timestamptz[], %s::float8[], %s::bool[], %s::int2[],
                       %s::int2[], %s::timestamptz[], %s::timestamptz[], %s::bool[])
"""


def unpacked(
    channel_id: int, day: int, series: bytes | None, arrival: bytes | None
) -> ReadingColumns:
    """Unpack a row of packed readings.

    :raises ArchivedDayError: they are in the archive alone.
    :raises DamagedDayError: it is not what was packed.
    """
    if series is None or arrival is None:
        raise ArchivedDayError(channel_id, day)
    try:
        readings = codec.unpack(bytes(series), bytes(arrival))
    except DamagedError as error:
        raise damaged(channel_id, day, str(error)) from error
    if not readings.is_within(day):
        raise damaged(channel_id, day, "it is not of that day")
    return readings


def unpacked_series(channel_id: int, day: int, series: bytes | None) -> SeriesColumns:
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
    if not (len(readings) and day_of(readings.ts_us[0]) == day == day_of(readings.ts_us[-1])):
        raise damaged(channel_id, day, "it is not of that day")
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
    """Put one row in the place of all that a channel has of a day; the caller holds the facility.

    What of the day is packed already is opened first. Nothing is done where a reading was known
    later than ``known_before``.

    :raises psycopg.errors.SerializationFailure: somebody changed it meanwhile.
    :raises DamagedError: it cannot be packed.
    """
    sent = _read(connection, channel_id, day)
    readings = ReadingColumns.received(sent)
    if not len(readings) or (
        known_before is not None and readings.newest_known_us() > to_us(known_before)
    ):
        return PackedDay(rows=0, packed_bytes=0)
    if open_days(connection, np.array([channel_id]), np.array([day])):
        sent = _read(connection, channel_id, day)
        readings = ReadingColumns.received(sent)
    series, arrival = codec.pack(readings)
    connection.execute(_PACK, (channel_id, day, series, arrival, digest(sent)))
    return PackedDay(rows=len(readings), packed_bytes=len(series) + len(arrival))


def _read(connection: psycopg.Connection[Any], channel_id: int, day: int) -> bytes:
    row = connection.execute(
        STORED,
        {"channel": channel_id, "begins": begin(day), "ends": begin(day + 1)},
        binary=True,
        # planned anew each time: only a plan for this very day leaves other chunks out
        prepare=False,
    ).fetchone()
    return bytes(row[0]) if row and row[0] is not None else b""


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
    """Make rows of packed days again; return how many there were. See :func:`open_for_writing`.

    :raises ArchivedDayError: one of them is in the archive alone.
    """
    try:
        return len(open_packed(connection, _READINGS, channel_ids, days))
    except ArchivedDayError as error:
        names = connection.execute(archived.NAMES, {"channel": error.channel_id}).fetchone()
        raise archived.named(error, names) from None


def _arrays(
    channel_id: int, day: int, series: bytes | None, arrival: bytes | None
) -> tuple[Any, ...]:
    readings = unpacked(channel_id, day, series, arrival)
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
