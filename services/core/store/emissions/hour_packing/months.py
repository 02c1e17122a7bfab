"""Months of hours packed and opened again, each in the caller's transaction.

Whoever writes hours holds the facility, and calls :func:`open_for_writing` first; whoever packs
holds it too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database.database_time import PRESENT
from services.core.store.emissions.hour_packing import codec, columns
from services.core.store.emissions.hour_packing.columns import HourColumns
from services.core.store.packing import opened
from services.core.store.packing.blobs import DamagedError
from services.core.store.packing.days import (
    NOTHING_PACKED,
    DamagedDayError,
    Integers,
    PackedDay,
    instants,
)
from services.core.store.packing.opening import Openable, open_packed
from services.core.store.schema.figures import IN_HOURS, names
from services.core.store.schema.hour_packing import (
    ARRAY_TYPES,
    ARRAYS,
    DIGEST,
    IN_FORCE,
    NULLABLE,
    SUPERSEDED,
)
from services.core.timeline.instants import HOUR_US

#: Hours younger than this lie in no packed month, as ``pack_hours`` sees to with a day to spare: a
#: clock that jumps by less makes no difference.
_NEVER_PACKED_HOURS: Final = 24

_RANGE: LiteralString = "source_id = %(source)s AND hour >= %(begins)s AND hour < %(ends)s"

_STORED: LiteralString = f"""
WITH in_force AS (SELECT {IN_FORCE} FROM public.emission_hour WHERE {_RANGE}),
superseded AS (SELECT {SUPERSEDED} FROM public.emission_hour_history WHERE {_RANGE})
SELECT h.*, v.*, {DIGEST}
FROM (SELECT {columns.sent("opened_at")} FROM in_force) h
CROSS JOIN (SELECT {columns.sent("superseded_at")} FROM superseded) v
"""  # noqa: S608 - constants

_PACK: Final = "SELECT pack_hours(%s, %s, %s, %s, %s)"

#: Those that are packed of pairs of source and month.
PACKED: Final = """
SELECT p.id, p.source_id, p.month, p.in_force, p.superseded
FROM unnest(%s::int8[], %s::int8[]) AS x(source_id, month)
JOIN packed_hours p ON p.source_id = x.source_id AND p.month = x.month
ORDER BY p.source_id, p.month
"""

_AFTER: Final = """
SELECT p.source_id, p.month
FROM unnest(%s::int8[], %s::timestamptz[]) AS s(source_id, after)
JOIN packed_hours p ON p.source_id = s.source_id AND p.last_hour > s.after
"""

# No version was superseded later than the one in its place was known.
_KNOWN_IN_THE_FUTURE: Final[LiteralString] = f"""
SELECT source_id, month FROM packed_hours
WHERE source_id = ANY(%s) AND known_to > {PRESENT}
"""  # noqa: S608 - a constant

_CASTS: LiteralString = ", ".join(
    f"%s::{ARRAY_TYPES[name]}[]" for name in (*ARRAYS, "figures", "unknown")
)
_UNPACK: LiteralString = f"SELECT unpack_hours(%s, %s, %s, {_CASTS}, {_CASTS})"


def months_of(hours: Integers) -> Integers:
    """Return the month since the year 0 of each hour since the epoch, in UTC."""
    months: Integers = hours.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64)
    return months + 1970 * 12


def begin(month: int) -> datetime:
    """Return when a month since the year 0 begins."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)


def unpacked(source_id: int, month: int, packed: bytes, *, dated: bool = True) -> HourColumns:
    """Unpack the hours in force, or the versions, of a row of packed hours.

    ``dated``: as :func:`codec.unpack` has it.

    :raises DamagedDayError: it is not what was packed.
    """
    try:
        hours = codec.unpack(packed, dated=dated)
    except DamagedError as error:
        raise _damaged(source_id, month, str(error)) from error
    if len(hours) and set(months_of(hours.hour[[0, -1]]).tolist()) != {month}:
        raise _damaged(source_id, month, "it is not of that month")
    return hours


def _damaged(source_id: int, month: int, reason: str) -> DamagedDayError:
    day = (begin(month) - datetime(1970, 1, 1, tzinfo=UTC)).days
    return DamagedDayError(f"hours of source {source_id} of the month", day, reason, "packed_hours")


def pack(connection: psycopg.Connection[Any], source_id: int, month: int) -> PackedDay:
    """Put one row in the place of all that a source has of a month; the caller holds the facility.

    What of the month is packed already is opened first.

    :raises psycopg.errors.SerializationFailure: somebody changed it meanwhile.
    :raises DamagedError: it cannot be packed.
    """
    open_months(connection, np.array([source_id]), np.array([month]))
    row = connection.execute(
        _STORED,
        {"source": source_id, "begins": begin(month), "ends": begin(month + 1)},
        binary=True,
    ).fetchone()
    if row is None or row[0] is None:
        return NOTHING_PACKED
    *both, digest = row
    hours, versions = HourColumns.received(*both[:4]), HourColumns.received(*both[4:])
    in_force, superseded = codec.pack(hours), codec.pack(versions)
    connection.execute(_PACK, (source_id, month, in_force, superseded, digest))
    return PackedDay(rows=len(hours) + len(versions), packed_bytes=len(in_force) + len(superseded))


def open_for_writing(
    connection: psycopg.Connection[Any], source_ids: Integers, hours: Integers
) -> None:
    """Open the months of sources' hours (since the epoch); the caller holds the facility.

    ``source_ids`` and ``hours`` are pairs, any of them several times.

    :raises DamagedDayError: a month cannot be opened.
    """
    old = may_be_packed(hours)
    if old.any():
        open_months(connection, source_ids[old], months_of(hours[old]))


def may_be_packed(hours: Integers) -> NDArray[np.bool_]:
    """Return which hours (since the epoch) are so old that their month may be packed."""
    return hours < time.time() // 3600 - _NEVER_PACKED_HOURS


def open_after(connection: psycopg.Connection[Any], instants: Mapping[int, datetime]) -> int:
    """Open the months that hold hours which begin after an instant, by source; return how many.

    See :func:`open_for_writing`: where the clock was put back, they may be of any age.
    """
    after = (list(instants), list(instants.values()))
    return _open(connection, connection.execute(_AFTER, after).fetchall())


def open_known_in_the_future(connection: psycopg.Connection[Any], source_ids: Sequence[int]) -> int:
    """Open the months of sources with hours whose date is still to come; return how many."""
    rows = connection.execute(_KNOWN_IN_THE_FUTURE, (list(source_ids),)).fetchall()
    return _open(connection, rows)


def _open(connection: psycopg.Connection[Any], pairs: Sequence[tuple[int, int]]) -> int:
    sources, months = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return open_months(connection, sources, months)


def open_months(connection: psycopg.Connection[Any], source_ids: Integers, months: Integers) -> int:
    """Make rows of packed months again; return how many there were.

    See :func:`open_for_writing`.
    """
    opened_months = open_packed(connection, _HOURS, source_ids, months)
    if opened_months:
        opened.hide_hours(connection, *np.array(opened_months, dtype=np.int64).T)
    return len(opened_months)


def _both_arrays(source_id: int, month: int, in_force: bytes, superseded: bytes) -> tuple[Any, ...]:
    hours = unpacked(source_id, month, bytes(in_force))
    versions = unpacked(source_id, month, bytes(superseded))
    return (*_arrays(hours), *_arrays(versions))


def _arrays(hours: HourColumns) -> tuple[Any, ...]:
    return (
        instants(hours.hour * HOUR_US),
        hours.version,
        hours.final,
        hours.quality.texts(),
        hours.code.texts(),
        hours.reason.texts(),
        instants(hours.known_us),
        instants(hours.last_us),
        np.concatenate([hours.figures[name] for name in names(IN_HOURS)]),
        np.concatenate([hours.unknown[name] for name in names(NULLABLE)]),
    )


_HOURS: Final = Openable(packed=PACKED, unpack=_UNPACK, arrays=_both_arrays, damaged=_damaged)
