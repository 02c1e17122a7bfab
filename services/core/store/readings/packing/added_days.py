"""Readings that are packed as they are stored, and were never rows: history from files.

Days of a channel with few readings are packed together, as the packer would.

Who adds them has the facility's packed days alone (:data:`..database.locks.HISTORY`) until the
transaction ends: packers, and whoever writes late readings, wait for it or go on elsewhere. Nothing
that is stored changes. What a day cannot take this way is told, and goes the way of every reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database import database_time, locks
from services.core.store.packing.days import Integers, days_of, instants
from services.core.store.readings.packing import codec
from services.core.store.readings.packing.columns import (
    Bools,
    ReadingColumns,
    SeriesColumns,
    digest,
)
from services.core.store.readings.packing.days import unpacked_series
from services.core.store.readings.touched_minutes import name_minutes
from services.core.store.schema.packed_runs import MOST_READINGS, overlapping
from services.core.timeline.instants import from_us, to_us

#: Qualities up to this one count, as in ``pack_readings``.
_LAST_USABLE: Final = 1

#: Days of one channel lie this far apart from those of the next in what orders them.
_CHANNEL_KEY: Final = 1 << 32

#: Before every day.
_NO_DAY: Final = -(2**31)

_LOCK: Final = "SELECT pg_advisory_xact_lock(%s, %s)"

#: What is packed of pairs of channel and day; and whether the day can take nothing this way: its
#: readings were dropped, or some discarded, or it is beside what is in the archive alone; and the
#: packed day next before it.
_STORED: Final = f"""
SELECT p.day, p.days, p.series,
       minute_start(1440 * x.day) < (SELECT horizon FROM reading_horizon)
       OR EXISTS (SELECT FROM archived_span a WHERE a.channel_id = x.channel_id
                  AND x.day BETWEEN a.first_day - 1 AND a.last_day)
       OR EXISTS (SELECT FROM discarded_reading d WHERE d.channel_id = x.channel_id
                  AND d.ts >= minute_start(1440 * x.day)
                  AND d.ts < minute_start(1440 * (x.day + 1))),
       (SELECT max(b.day) FROM packed_readings b
        WHERE b.channel_id = x.channel_id AND b.day < x.day)
FROM unnest(%s::int8[], %s::int8[]) WITH ORDINALITY AS x(channel_id, day, number)
LEFT JOIN packed_readings p ON p.channel_id = x.channel_id AND {overlapping("x.day", "x.day")}
ORDER BY x.number
"""  # noqa: S608 - constants

_ADD: Final = """
SELECT channel_id, day FROM add_packed_readings(
    %s::int8[]::int4[], %s::int8[]::int4[], %s::int8[]::int4[], %s, %s, %s::int8[]::int4[],
    %s::int8[]::int4[], %s, %b::bytea[], %b::bytea[], %b::bytea[])
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

    def by_day(self) -> list[Brought]:
        """Return the readings of each channel and day."""
        begins = np.flatnonzero(np.diff(self.day_keys, prepend=-1))
        return [self.where(slice(*bounds)) for bounds in pairwise([*begins, len(self)])]

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
    connection.execute(_LOCK, (locks.HISTORY, facility_id))
    received_us = to_us(database_time.present(connection))
    keys = brought.day_keys
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    channels, days = keys[begins] // _CHANNEL_KEY, keys[begins] % _CHANNEL_KEY
    bounds = np.append(begins, keys.size)
    stored = connection.execute(_STORED, (channels, days), binary=True).fetchall()
    left = np.zeros(keys.size, dtype=np.bool_)
    duplicates = 0
    fresh = np.zeros(keys.size, dtype=np.bool_)
    behind = np.full(keys.size, _NO_DAY)
    packed: tuple[int, int] | None = None
    for i, (day, its_days, series, is_closed, day_before) in enumerate(stored):
        part = slice(int(bounds[i]), int(bounds[i + 1]))
        if series is not None:
            if (channels[i], day) != packed:
                packed = channels[i], day
                known = unpacked_series(int(channels[i]), day, its_days, bytes(series))
            same = _same(brought.where(part), known)
            duplicates += int(same.sum())
            left[part] = ~same
        elif day is not None or is_closed:
            left[part] = True
        else:
            fresh[part] = True
            behind[part] = _NO_DAY if day_before is None else day_before
    for day_key in _add_fresh(connection, brought.where(fresh), behind[fresh], received_us):
        left[keys == day_key] = True
    new = fresh & ~left
    if new.any():
        _name(connection, facility_id, brought.where(new), received_us)
    return Added(stored=int(new.sum()), duplicates=duplicates, left=left)


def _same(brought: Brought, stored: SeriesColumns) -> Bools:
    """Return which of the readings are stored with just this value and quality."""
    place = np.minimum(np.searchsorted(stored.ts_us, brought.ts_us), len(stored) - 1)
    same: Bools = (
        (stored.ts_us[place] == brought.ts_us)
        & (stored.missing[place] == brought.missing)
        & (stored.value[place] == brought.value)
        & (stored.quality[place] == brought.quality)
    )
    return same


def _add_fresh(
    connection: psycopg.Connection[Any], fresh: Brought, behind: Integers, received_us: int
) -> list[int]:
    """Pack days of which nothing is packed; return the keys of those that have rows."""
    refused = _pack_runs(connection, _runs(fresh, behind), received_us)
    # rows of one day keep no other day of its run from being packed
    days = [day for run in refused for day in run.by_day()]
    if len(days) > len(refused):
        days = _pack_runs(connection, days, received_us)
    return [int(day.day_keys[0]) for day in days]


def _runs(fresh: Brought, behind: Integers) -> list[Brought]:
    """Return runs of days that may be packed together, in order.

    ``behind``: of each, the packed day next before its day.
    """
    keys = fresh.day_keys
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    ends = np.append(begins[1:], keys.size)
    days = days_of(fresh.ts_us[begins])
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    firsts: list[int] = []
    for i in range(begins.size):
        first = firsts[-1] if firsts else None
        if (
            first is None
            or fresh.channel[begins[i]] != fresh.channel[begins[first]]
            or months[i] != months[first]
            or ends[i] - begins[first] > MOST_READINGS
            or behind[begins[i]] > days[first]
        ):
            firsts.append(i)
    return [fresh.where(slice(*bounds)) for bounds in pairwise([*begins[firsts], keys.size])]


def _pack_runs(
    connection: psycopg.Connection[Any], runs: Sequence[Brought], received_us: int
) -> list[Brought]:
    """Pack runs; return those that are left out because there is something of their days."""
    if not runs:
        return []
    packed = [_packed(run, received_us) for run in runs]
    channels = np.array([run.channel[0] for run in runs], dtype=np.int64)
    firsts_us, lasts_us = (
        np.array([run.ts_us[place] for run in runs], dtype=np.int64) for place in (0, -1)
    )
    first_days = days_of(firsts_us)
    rows = connection.execute(
        _ADD,
        (
            channels,
            first_days,
            days_of(lasts_us) - first_days + 1,
            instants(firsts_us),
            instants(lasts_us),
            np.array([len(run) for run in runs], dtype=np.int64),
            np.array([_usable(run) for run in runs], dtype=np.int64),
            from_us(received_us),
            *([columns[k] for columns in packed] for k in range(3)),
        ),
    ).fetchall()
    refused = set(rows)
    keys = zip(channels.tolist(), first_days.tolist(), strict=True)
    return [run for run, key in zip(runs, keys, strict=True) if key in refused]


def _packed(part: Brought, received_us: int) -> tuple[bytes, bytes, bytes]:
    """Return digest, series and arrival of a run of days."""
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
