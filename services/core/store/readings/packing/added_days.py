"""Days of readings that are packed as they are stored, and were never rows: history from files.

Who adds them has the facility's packed days alone (:data:`..database.locks.HISTORY`) until the
transaction ends: packers, and whoever writes late readings, wait for it or go on elsewhere. Nothing
that is stored changes. What a day cannot take this way is told, and goes the way of every reading.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database import locks
from services.core.store.packing.days import Integers, days_of, instants
from services.core.store.readings.packing import codec
from services.core.store.readings.packing.columns import Bools, ReadingColumns, digest
from services.core.store.readings.packing.days import unpacked_series
from services.core.store.readings.touched_minutes import name_minutes
from services.core.timeline.instants import from_us, to_us

#: Qualities up to this one count, as in ``pack_readings``.
_LAST_USABLE: Final = 1

#: Days of one channel lie this far apart from those of the next in what orders them.
_CHANNEL_KEY: Final = 1 << 32

_LOCK: Final = "SELECT pg_advisory_xact_lock(%s, %s), clock_timestamp()"

#: What is packed of pairs of channel and day; and whether the day can take nothing this way: its
#: readings were dropped, or some discarded, or it is beside what is in the archive alone.
_STORED: Final = """
SELECT p.series, p.channel_id IS NOT NULL,
       minute_start(1440 * x.day) < (SELECT horizon FROM reading_horizon)
       OR EXISTS (SELECT FROM archived_span a WHERE a.channel_id = x.channel_id
                  AND x.day BETWEEN a.first_day - 1 AND a.last_day)
       OR EXISTS (SELECT FROM discarded_reading d WHERE d.channel_id = x.channel_id
                  AND d.ts >= minute_start(1440 * x.day)
                  AND d.ts < minute_start(1440 * (x.day + 1)))
FROM unnest(%s::int8[], %s::int8[]) WITH ORDINALITY AS x(channel_id, day, number)
LEFT JOIN packed_readings p ON p.channel_id = x.channel_id AND p.day = x.day
ORDER BY x.number
"""

_ADD: Final = """
SELECT channel_id, day FROM add_packed_readings(
    %s::int8[]::int4[], %s::int8[]::int4[], %s, %s, %s::int8[]::int4[], %s::int8[]::int4[], %s,
    %b::bytea[], %b::bytea[], %b::bytea[])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """Readings of channels, in order of channel and time, no two of one channel and instant."""

    channel: Integers
    #: microseconds since the epoch, UTC
    ts_us: Integers
    #: in the unit that is stored; 0 where missing
    value: NDArray[np.float64]
    #: an explicit gap: the value is null
    missing: Bools
    quality: Integers

    def __len__(self) -> int:
        return self.ts_us.size

    def where(self, chosen: Bools | Integers | slice) -> Brought:
        """Return those chosen."""
        return Brought(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @property
    def day_keys(self) -> Integers:
        """Return channel and day of each as one number."""
        return self.channel * _CHANNEL_KEY + days_of(self.ts_us)


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """What became of readings that were brought."""

    stored: int
    #: the same is stored already
    duplicates: int
    #: which of them are neither, and go the way of every reading
    left: Bools


def add(connection: psycopg.Connection[Any], facility_id: int, brought: Brought) -> Added:
    """Store in packed days what can be, in the caller's transaction; name its minutes.

    :raises psycopg.Error: as the database says; the transaction is then to be rolled back.
    :raises DamagedDayError: a packed day that readings were compared with.
    """
    row = connection.execute(_LOCK, (locks.HISTORY, facility_id)).fetchone()
    assert row is not None  # noqa: S101 - it has no condition
    received_us = to_us(row[1])
    keys = brought.day_keys
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    channels, days = keys[begins] // _CHANNEL_KEY, keys[begins] % _CHANNEL_KEY
    bounds = np.append(begins, keys.size)
    stored = connection.execute(_STORED, (channels, days), binary=True).fetchall()
    left = np.zeros(keys.size, dtype=np.bool_)
    duplicates = 0
    fresh: list[int] = []
    for i, (series, is_packed, is_closed) in enumerate(stored):
        part = slice(int(bounds[i]), int(bounds[i + 1]))
        if is_packed and series is not None:
            same = _same(brought.where(part), int(channels[i]), int(days[i]), bytes(series))
            duplicates += int(same.sum())
            left[part] = ~same
        elif is_packed or is_closed:
            left[part] = True
        else:
            fresh.append(i)
    for key in _add_fresh(connection, brought, bounds, fresh, received_us):
        left[keys == key] = True
    new = np.isin(keys, keys[begins[fresh]]) & ~left
    if new.any():
        _name(connection, facility_id, brought.where(new), received_us)
    return Added(stored=int(new.sum()), duplicates=duplicates, left=left)


def _same(brought: Brought, channel_id: int, day: int, series: bytes) -> Bools:
    """Return which of the readings of a packed day are stored with just this value and quality."""
    stored = unpacked_series(channel_id, day, series)
    place = np.minimum(np.searchsorted(stored.ts_us, brought.ts_us), len(stored) - 1)
    same: Bools = (
        (stored.ts_us[place] == brought.ts_us)
        & (stored.missing[place] == brought.missing)
        & (stored.value[place] == brought.value)
        & (stored.quality[place] == brought.quality)
    )
    return same


def _add_fresh(
    connection: psycopg.Connection[Any],
    brought: Brought,
    bounds: Integers,
    fresh: list[int],
    received_us: int,
) -> list[int]:
    """Pack days of which nothing is packed; return the keys of those that are rows."""
    if not fresh:
        return []
    parts = [brought.where(slice(int(bounds[i]), int(bounds[i + 1]))) for i in fresh]
    packed = [_packed(part, received_us) for part in parts]
    keys = np.array([part.day_keys[0] for part in parts], dtype=np.int64)
    rows = connection.execute(
        _ADD,
        (
            keys // _CHANNEL_KEY,
            keys % _CHANNEL_KEY,
            instants(np.array([part.ts_us[0] for part in parts], dtype=np.int64)),
            instants(np.array([part.ts_us[-1] for part in parts], dtype=np.int64)),
            np.array([len(part) for part in parts], dtype=np.int64),
            np.array([_usable(part) for part in parts], dtype=np.int64),
            from_us(received_us),
            *([columns[k] for columns in packed] for k in range(3)),
        ),
    ).fetchall()
    return [channel_id * _CHANNEL_KEY + day for channel_id, day in rows]


def _packed(part: Brought, received_us: int) -> tuple[bytes, bytes, bytes]:
    """Return digest, series and arrival of a day."""
    size = len(part)
    readings = ReadingColumns(
        ts_us=part.ts_us,
        value=part.value,
        missing=part.missing,
        quality=part.quality,
        time_source=np.zeros(size, dtype=np.int64),
        received_us=np.full(size, received_us),
        known_us=np.zeros(size, dtype=np.int64),
        unknown=np.ones(size, dtype=np.bool_),
    )
    return digest(readings.sent()), *codec.pack(readings)


def _usable(part: Brought) -> int:
    return int((~part.missing & (part.quality <= _LAST_USABLE)).sum())


def _name(
    connection: psycopg.Connection[Any], facility_id: int, stored: Brought, received_us: int
) -> None:
    with connection.cursor() as cursor:
        name_minutes(
            cursor,
            facilities=np.full(len(stored), facility_id),
            channels=stored.channel,
            ts_us=stored.ts_us,
            received_us=np.full(len(stored), received_us),
        )
