"""Days of minutes packed and opened again, each in the caller's transaction.

Minutes are written and packed by whoever holds the facility (``claims.lock``), and by nobody else:
who writes minutes that may lie in packed days calls :func:`open_for_writing` first.

Minutes of a packed day may follow a new factor (``following_minutes``): readers see them with the
new masses, the packed row stays as it is. When the day is opened they follow as rows do.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import numpy as np
import psycopg

from services.core.store.emissions.packing import codec
from services.core.store.emissions.packing.codec import Factors
from services.core.store.emissions.packing.columns import (
    COLUMNS,
    NULLABLE,
    SENT,
    Bools,
    MinuteColumns,
)
from services.core.store.packing import opened
from services.core.store.packing.blobs import DamagedError
from services.core.store.packing.days import (
    NEVER_PACKED,
    NOTHING_PACKED,
    DamagedDayError,
    Integers,
    PackedDay,
    begin,
    day_of,
    instants,
)
from services.core.store.packing.opening import Openable, open_packed
from services.core.store.schema.figures import MASSES, names, per_figure
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, to_us

#: Minutes younger than this lie in no packed day, as ``pack_minutes`` sees to with a day to spare:
#: a clock that jumps by less makes no difference.
_NEVER_PACKED_MINUTES: Final = DAY_MINUTES

_PER_UNIT: LiteralString = per_figure(MASSES, "{f.in_kg}")

_STORED: LiteralString = (
    "SELECT " + SENT + " FROM public.emission_minute"  # noqa: S608 - constants
    " WHERE source_id = %(source)s AND minute >= %(begins)s AND minute < %(ends)s"
)

_PACK: Final = "SELECT pack_minutes(%s, %s, %s, %s)"

#: Those that are packed of pairs of source and day.
PACKED: Final = """
SELECT p.id, p.source_id, p.day, p.minutes
FROM unnest(%s::int8[], %s::int8[]) AS x(source_id, day)
JOIN packed_minutes p ON p.source_id = x.source_id AND p.day = x.day
ORDER BY p.source_id, p.day
"""

_SINCE: Final = """
SELECT source_id, day FROM packed_minutes WHERE source_id = ANY(%s) AND day >= %s
"""

_UNPACK: Final = """
SELECT unpack_minutes(%s, %s, %s, %s::timestamptz[], %s::int8[], %s::bool[], %s::float8[],
                      %s::bool[])
"""

#: What of a day is to follow a new factor, cut out of what is.
_CUT_OUT: LiteralString = f"""
WITH f AS MATERIALIZED (
    SELECT * FROM following_minutes
    WHERE source_id = %(source)s AND packed AND begins < %(ends)s AND ends > %(begins)s
), rest AS (
    INSERT INTO following_minutes (facility_id, source_id, begins, ends, {_PER_UNIT}, packed)
    SELECT facility_id, source_id, begins, %(begins)s::timestamptz, {_PER_UNIT}, true
    FROM f WHERE begins < %(begins)s
    UNION ALL
    SELECT facility_id, source_id, %(ends)s::timestamptz, ends, {_PER_UNIT}, true
    FROM f WHERE ends > %(ends)s
)
"""  # noqa: S608 - constants
#: Of a day that is opened it follows now, as rows do.
_RELEASE: LiteralString = f"""{_CUT_OUT}
UPDATE following_minutes m
SET begins = greatest(m.begins, %(begins)s), ends = least(m.ends, %(ends)s), packed = false
FROM f WHERE m.id = f.id
"""  # noqa: S608 - constants
_FORGET: LiteralString = f"""{_CUT_OUT}
DELETE FROM following_minutes m USING f WHERE m.id = f.id
"""  # noqa: S608 - constants


def unpacked(
    source_id: int, day: int, packed: bytes, only: Collection[str] | None = None
) -> MinuteColumns:
    """Unpack a row of packed minutes; ``only``: as :func:`codec.unpack` has it.

    :raises DamagedDayError: it is not what was packed.
    """
    try:
        minutes = codec.unpack(packed, only)
    except DamagedError as error:
        raise _damaged(source_id, day, str(error)) from error
    if not minutes.is_within(day):
        raise _damaged(source_id, day, "it is not of that day")
    return minutes


def _damaged(source_id: int, day: int, reason: str) -> DamagedDayError:
    return DamagedDayError(f"minutes of source {source_id}", day, reason, "packed_minutes")


def pack(
    connection: psycopg.Connection[Any],
    source_id: int,
    day: int,
    factors: Sequence[Factors] = (),
) -> PackedDay:
    """Put one row in the place of all that a source has of a day; the caller holds the facility.

    What of the day is packed already is opened first. ``factors``: those that its masses are made
    of, if they are.

    :raises psycopg.errors.SerializationFailure: somebody changed it meanwhile.
    :raises DamagedError: it cannot be packed.
    """
    minutes = _read(connection, source_id, day)
    if not len(minutes):
        return NOTHING_PACKED
    if open_days(connection, np.array([source_id]), np.array([day])):
        minutes = _read(connection, source_id, day)
    packed = codec.pack(minutes, factors)
    connection.execute(_PACK, (source_id, day, packed, minutes.digest()))
    return PackedDay(rows=len(minutes), packed_bytes=len(packed))


def _read(connection: psycopg.Connection[Any], source_id: int, day: int) -> MinuteColumns:
    row = connection.execute(
        _STORED,
        {"source": source_id, "begins": begin(day), "ends": begin(day + 1)},
        binary=True,
        # planned anew each time: only a plan for this very day leaves other chunks out
        prepare=False,
    ).fetchone()
    return MinuteColumns.received(bytes(row[0]) if row and row[0] is not None else None)


def open_for_writing(
    connection: psycopg.Connection[Any], source_ids: Integers, minutes: Integers
) -> None:
    """Open the days of sources' minutes (since the epoch); the caller holds the facility.

    ``source_ids`` and ``minutes`` are pairs, any of them several times.

    :raises DamagedDayError: a day cannot be opened.
    """
    old = may_be_packed(minutes)
    if old.any():
        open_days(connection, source_ids[old], minutes[old] // DAY_MINUTES)


def may_be_packed(minutes: Integers) -> Bools:
    """Return which minutes (since the epoch) are so old that their day may be packed."""
    return minutes < time.time() // 60 - _NEVER_PACKED_MINUTES


def open_ranges(
    connection: psycopg.Connection[Any], source_ids: Integers, firsts: Integers, lasts: Integers
) -> int:
    """Open the days of ranges of minutes, both ends included; return how many were packed.

    As :func:`open_for_writing`.
    """
    before = int(time.time() // 60) - _NEVER_PACKED_MINUTES
    old = firsts < before
    if not old.any():
        return 0
    first_days = firsts[old] // DAY_MINUTES
    sizes = np.minimum(lasts[old], before) // DAY_MINUTES - first_days + 1
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    days = np.repeat(first_days, sizes) + within
    return open_days(connection, np.repeat(source_ids[old], sizes), days)


def open_since(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], now: datetime
) -> int:
    """Open what no clock that shows ``now`` would have packed; return how many days there were.

    Where the clock was put back there may be some, which :func:`open_for_writing` would not see.
    """
    day = day_of(to_us(now - NEVER_PACKED))
    rows = connection.execute(_SINCE, (list(source_ids), day)).fetchall()
    sources, days = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return open_days(connection, sources, days)


def open_days(connection: psycopg.Connection[Any], source_ids: Integers, days: Integers) -> int:
    """Make rows of packed days again; return how many there were. See :func:`open_for_writing`."""
    opened_days = open_packed(connection, _MINUTES, source_ids, days)
    for source_id, day in opened_days:
        connection.execute(_RELEASE, _day_key(source_id, day))
    if opened_days:
        opened.hide_minutes(connection, *np.array(opened_days, dtype=np.int64).T)
    return len(opened_days)


def follow_no_more(connection: psycopg.Connection[Any], source_id: int, day: int) -> None:
    """Forget what a packed day is to follow: it was packed anew with these masses."""
    connection.execute(_FORGET, _day_key(source_id, day))


def _day_key(source_id: int, day: int) -> dict[str, Any]:
    return {"source": source_id, "begins": begin(day), "ends": begin(day + 1)}


def _arrays(source_id: int, day: int, blob: bytes) -> tuple[Any, ...]:
    minutes = unpacked(source_id, day, bytes(blob))
    return (
        instants(minutes.minute * MINUTE_US),
        np.concatenate([minutes.figures[name] for name in names(COLUMNS)]),
        np.concatenate([minutes.unknown[name] for name in names(NULLABLE)]),
        minutes.activity,
        minutes.without_activity,
    )


_MINUTES: Final = Openable(packed=PACKED, unpack=_UNPACK, arrays=_arrays, damaged=_damaged)
