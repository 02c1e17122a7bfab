"""The writer of readings: COPY into a staging table, insert what is new, tell what is not.

Everything here happens inside the caller's transaction and is durable with its COMMIT.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import msgspec
import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database import database_time
from services.core.store.database.arrays import copy_data
from services.core.store.packing.days import days_of
from services.core.store.readings import arrival_order
from services.core.store.readings.archive import missing
from services.core.store.readings.known_since import known_at
from services.core.store.readings.packing import days as packing
from services.core.store.readings.touched_minutes import name_minutes
from services.core.timeline.instants import MINUTE_US, POSTGRES_EPOCH_US, from_us, to_us

#: Once for each connection; emptied by every COMMIT.
_CREATE_STAGING: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_reading (
    channel_id integer NOT NULL,
    ts timestamptz NOT NULL,
    value double precision,
    quality smallint NOT NULL,
    time_source smallint NOT NULL,
    received_at timestamptz NOT NULL,
    position integer NOT NULL
) ON COMMIT DELETE ROWS
"""

_COPY: Final = """
COPY staged_reading (channel_id, ts, value, quality, time_source, received_at, position)
FROM STDIN (FORMAT BINARY)
"""

#: In the order of the key, so that two writers never wait for each other crosswise; of two rows
#: with one key the one that came first is stored.
_INSERT: Final[LiteralString] = f"""
INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at, known_at)
SELECT channel_id, ts, value, quality, time_source, received_at,
       {known_at("received_at")}
FROM staged_reading ORDER BY channel_id, ts, position
ON CONFLICT (channel_id, ts) DO NOTHING
"""  # noqa: S608 - a constant

#: As ``_INSERT``; returns the positions of rows that it left out.
_INSERT_AND_TELL: Final[LiteralString] = f"""
WITH inserted AS ({_INSERT} RETURNING channel_id, ts)
SELECT s.position FROM (
    SELECT position, channel_id, ts,
           row_number() OVER (PARTITION BY channel_id, ts ORDER BY position) AS place
    FROM staged_reading) s
WHERE s.place > 1
   OR NOT EXISTS (SELECT FROM inserted i WHERE i.channel_id = s.channel_id AND i.ts = s.ts)
"""  # noqa: S608 - constants

#: Staged rows whose key is stored with something else, whether that replaced just this before, and
#: whether a person corrected it; the bounds keep other chunks out of it.
_CONFLICTS: Final = """
SELECT s.position, r.value, r.quality, r.received_at, EXISTS (
    SELECT FROM reading_correction c
    WHERE c.channel_id = s.channel_id AND c.ts = s.ts
      AND (c.old_value, c.old_quality) IS NOT DISTINCT FROM (s.value, s.quality)), EXISTS (
    SELECT FROM reading_correction c
    WHERE c.channel_id = s.channel_id AND c.ts = s.ts AND c.by_person)
FROM staged_reading s JOIN reading r ON r.channel_id = s.channel_id AND r.ts = s.ts
WHERE r.ts BETWEEN (SELECT min(ts) FROM staged_reading) AND (SELECT max(ts) FROM staged_reading)
  AND (r.value, r.quality) IS DISTINCT FROM (s.value, s.quality)
  AND (%(among)s::integer[] IS NULL OR s.position = ANY(%(among)s))
ORDER BY s.position
"""

#: The horizon of what is kept, up to when anything was ever discarded, and from when on nothing is
#: packed: one answer a batch. Before that, when all of it is known.
_LIMITS: Final = """
SELECT (SELECT horizon FROM reading_horizon), (SELECT max(ts) FROM discarded_reading),
       known_now() - make_interval(secs => %s / 1e6)
FROM (SELECT set_config('tonne.now', coalesce(%s, current_setting('tonne.now', true), ''), true)) n
"""

#: Staged rows that somebody discarded under the same key, or that such a reading had replaced.
_DISCARDED: Final = """
DELETE FROM staged_reading s USING discarded_reading d
WHERE d.channel_id = s.channel_id AND d.ts = s.ts
  AND d.ts BETWEEN (SELECT min(ts) FROM staged_reading) AND (SELECT max(ts) FROM staged_reading)
  AND (d.value IS NOT DISTINCT FROM s.value OR EXISTS (
    SELECT FROM reading_correction c
    WHERE c.channel_id = s.channel_id AND c.ts = s.ts AND c.old_value IS NOT DISTINCT FROM s.value))
RETURNING s.position
"""

_TOO_LATE: Final = """
DELETE FROM staged_reading WHERE ts < %s RETURNING position
"""

#: See ``services.core.store.schema.ddl``: it keeps what it replaces.
_CORRECT: Final = """
SELECT correct_reading(%s, %s, %s, %s::smallint, %s::smallint, %s, %s, %s, %s)
"""

#: See ``store.schema.ddl``: the better of two readings, if the stored one is still that.
_SUPERSEDE: Final = """
SELECT supersede_reading(%s, %s, %s, %s::smallint, %s::smallint, %s, %s, %s::smallint, %s, %s, %s)
"""


class ReadingRow(msgspec.Struct, frozen=True, gc=False):
    """One reading to store; a struct, because there are many of them."""

    facility_id: int
    channel_id: int
    #: microseconds since the epoch, UTC
    ts_us: int
    #: in the channel's unit; None: an explicit gap
    value: float | None
    quality: int
    time_source: int
    #: microseconds since the epoch, UTC
    received_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A row that was not stored because its key holds something else."""

    #: index among the rows given to :func:`write`
    position: int
    stored_value: float | None
    stored_quality: int
    stored_received_us: int
    #: what is stored replaced this very value and quality before
    replaced_before: bool
    #: a person corrected what is stored
    by_person: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What became of the rows: stored, already there, in conflict, or too late."""

    stored: int
    duplicates: int
    conflicts: list[Conflict]
    #: indices among the rows of those older than raw readings are kept
    too_late: list[int]
    #: of those beside readings that are in the archive alone
    archived: list[int]
    #: of all that was not stored, where it was asked for
    not_stored: frozenset[int] = frozenset()


def create_staging(connection: psycopg.Connection[Any]) -> None:
    """Prepare a new connection for :func:`write`; outside a transaction."""
    with connection.transaction():
        connection.execute("SET client_min_messages = warning")
        connection.execute(_CREATE_STAGING)


def write(
    connection: psycopg.Connection[Any],
    rows: Sequence[ReadingRow],
    *,
    tell: bool = False,
    now: datetime | None = None,
) -> Written:
    """Store every row whose (channel, ts) is new, and mark its minute for the aggregator.

    The same value and quality again is a duplicate and changes nothing; so is a value that was
    discarded. What is older than raw readings are kept is not stored. ``tell``: which rows were not
    stored is asked for, not only how many. ``now``: what the caller goes by, from here on.

    :raises psycopg.Error: as the database says; the transaction is then to be rolled back.
    """
    if not rows:
        return Written(stored=0, duplicates=0, conflicts=[], too_late=[], archived=[])
    with connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            ts_us = np.array([row.ts_us for row in rows], dtype=np.int64)
            copy.write(_staged(rows, ts_us))
        all_rows = rows
        # after the COPY, which gave this transaction its number: see readings.retention
        stated = None if now is None else database_time.stated(now)
        limits = cursor.execute(_LIMITS, (packing.NEVER_PACKED_US, stated)).fetchone()
        assert limits is not None  # noqa: S101 - it has no condition
        horizon, newest_discarded, unpacked_from = limits
        too_late: list[int] = []
        archived: list[int] = []
        gone: set[int] = set()
        oldest_us = int(ts_us.min())
        # first: nothing brings back what was dropped, not even who restores the archive around it
        if horizon is not None and oldest_us < to_us(horizon):
            cursor.execute(_TOO_LATE, (horizon,))
            too_late = sorted(position for (position,) in cursor)
        if oldest_us < to_us(unpacked_from):
            archived = _open_days_or_take(connection, rows, to_us(unpacked_from), set(too_late))
        if newest_discarded is not None and oldest_us <= to_us(newest_discarded):
            gone = {position for (position,) in cursor.execute(_DISCARDED)}
        not_stored = {*too_late, *gone, *archived}
        if not_stored:
            rows = [row for position, row in enumerate(rows) if position not in not_stored]
        if tell:
            left_out = {position for (position,) in cursor.execute(_INSERT_AND_TELL)}
            not_stored |= left_out
            stored = len(rows) - len(left_out)
        else:
            cursor.execute(_INSERT)
            stored = cursor.rowcount
        conflicting = conflicts(connection) if stored < len(rows) else []
        moved = _moved_on(cursor, all_rows, conflicting)
        if moved:
            conflicting = [conflict for conflict in conflicting if conflict.position not in moved]
            moved_rows = [row for row in moved.values() if row is not None]
            not_stored -= {position for position, row in moved.items() if row is not None}
            stored += len(moved_rows)
            rows = [*rows, *moved_rows]
        if stored:
            _invalidate(cursor, rows)
    return Written(
        stored=stored,
        duplicates=len(all_rows) - len(too_late) - len(archived) - stored - len(conflicting),
        conflicts=conflicting,
        too_late=too_late,
        archived=archived,
        not_stored=frozenset(not_stored),
    )


def _open_days_or_take(
    connection: psycopg.Connection[Any],
    rows: Sequence[ReadingRow],
    unpacked_from_us: int,
    left_out: Collection[int],
) -> list[int]:
    """Open the packed days of staged rows; take those away whose days are archived away.

    ``left_out``: positions of rows that are not staged any more. Returns those of what it takes.
    """
    old = [
        position
        for position, row in enumerate(rows)
        if row.ts_us < unpacked_from_us and position not in left_out
    ]
    if not old:
        return []
    packing.keep_packers_off(connection, [rows[position].channel_id for position in old])
    archived = missing.take_sealed(connection)
    taken = set(archived)
    packing.open_days(
        connection, *_days([rows[position] for position in old if position not in taken])
    )
    return archived


def _open_days(connection: psycopg.Connection[Any], rows: Sequence[ReadingRow]) -> None:
    """Open the packed days that rows belong to.

    :raises ArchivedDayError: one of them, or one beside it, is in the archive alone.
    """
    if rows:
        packing.open_for_writing(connection, *_days(rows))


def _days(rows: Sequence[ReadingRow]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return channels and days of rows, as pairs, that of what arrival moves on included."""
    channels = np.array([row.channel_id for row in rows], dtype=np.int64)
    ts_us = np.array([row.ts_us for row in rows], dtype=np.int64)
    return (
        np.concatenate((channels, channels)),
        np.concatenate((days_of(ts_us), days_of(ts_us + MINUTE_US))),
    )


def _staged(rows: Sequence[ReadingRow], ts_us: NDArray[np.int64]) -> bytes:
    """Return rows as ``_COPY`` reads them, built as columns: half the time of row by row."""
    values = np.array([row.value for row in rows], dtype=np.float64)
    null = {}
    if np.isnan(values).any():
        null["value"] = np.array([row.value is None for row in rows], dtype=np.bool_)
    return copy_data(
        {
            "channel_id": np.array([row.channel_id for row in rows], dtype=np.int32),
            "ts": ts_us - POSTGRES_EPOCH_US,
            "value": values,
            "quality": np.array([row.quality for row in rows], dtype=np.int16),
            "time_source": np.array([row.time_source for row in rows], dtype=np.int16),
            "received_at": np.array([row.received_us for row in rows], dtype=np.int64)
            - POSTGRES_EPOCH_US,
            "position": np.arange(len(rows), dtype=np.int32),
        },
        null,
    )


def _moved_on(
    cursor: psycopg.Cursor[Any], rows: Sequence[ReadingRow], conflicts: Iterable[Conflict]
) -> dict[int, ReadingRow | None]:
    """Store by its arrival what arrival dates; return it by position, None where it is there."""
    return {
        conflict.position: arrival_order.store(cursor, rows[conflict.position])
        for conflict in conflicts
        # what a person replaced does not come back beside it
        if rows[conflict.position].time_source
        and not (conflict.by_person and conflict.replaced_before)
    }


def conflicts(
    connection: psycopg.Connection[Any], among: Sequence[int] | None = None
) -> list[Conflict]:
    """Read which rows of :func:`write`, ``among`` some, meet something else under their key now."""
    if among is not None and not among:
        return []
    return [
        Conflict(
            position=position,
            stored_value=value,
            stored_quality=quality,
            stored_received_us=to_us(received_at),
            replaced_before=replaced_before,
            by_person=by_person,
        )
        for position, value, quality, received_at, replaced_before, by_person in connection.execute(
            _CONFLICTS, {"among": None if among is None else list(among)}
        )
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """A reading that replaces the one stored under its key: an accepted conflict."""

    row: ReadingRow
    quarantine_id: int


def correct(
    connection: psycopg.Connection[Any],
    corrections: Sequence[Correction],
    *,
    by: str,
    note: str | None,
    reason: str,
) -> int:
    """Replace readings in order, keep what stood there, and mark their minutes with ``reason``.

    ``by`` and ``note`` are kept beside the old values: who accepted it, and why. What holds the
    value already is left alone. Returns how many readings were replaced.
    """
    replaced: list[ReadingRow] = []
    _open_days(connection, [correction.row for correction in corrections])
    with connection.cursor() as cursor:
        for correction in corrections:
            row = correction.row
            cursor.execute(
                _CORRECT,
                (
                    row.channel_id,
                    from_us(row.ts_us),
                    row.value,
                    row.quality,
                    row.time_source,
                    from_us(row.received_us),
                    by,
                    note,
                    correction.quarantine_id,
                ),
            )
            answer = cursor.fetchone()
            if answer is not None and answer[0]:
                replaced.append(row)
        if replaced:
            _invalidate(cursor, replaced, reason)
    return len(replaced)


@dataclass(frozen=True, kw_only=True, slots=True)
class Supersession:
    """Two readings of one key of which a channel's own rule chooses one."""

    row: ReadingRow
    conflict: Conflict
    #: whether the row takes the place of what is stored, else it is only kept beside it
    wins: bool
    #: the rule, as the record tells it
    rule: str
    #: why hours are restated
    reason: str


def supersede(connection: psycopg.Connection[Any], supersessions: Sequence[Supersession]) -> int:
    """Carry out what channels' own rules decided; return how many readings were replaced.

    The reading that does not stand is kept either way.

    :raises psycopg.errors.SerializationFailure: somebody changed what is stored since it was looked
        at; the transaction is to be tried again.
    """
    replaced: dict[str, list[ReadingRow]] = {}
    _open_days(connection, [supersession.row for supersession in supersessions])
    with connection.cursor() as cursor:
        for supersession in supersessions:
            row, conflict = supersession.row, supersession.conflict
            cursor.execute(
                _SUPERSEDE,
                (
                    row.channel_id,
                    from_us(row.ts_us),
                    row.value,
                    row.quality,
                    row.time_source,
                    from_us(row.received_us),
                    conflict.stored_value,
                    conflict.stored_quality,
                    supersession.rule,
                    supersession.reason,
                    supersession.wins,
                ),
            )
            answer = cursor.fetchone()
            if answer is None or answer[0] is None:
                raise psycopg.errors.SerializationFailure("a reading changed meanwhile")
            if answer[0]:
                replaced.setdefault(supersession.reason, []).append(row)
        for reason, rows in replaced.items():
            _invalidate(cursor, rows, reason)
    return sum(map(len, replaced.values()))


def _invalidate(
    cursor: psycopg.Cursor[Any], rows: Sequence[ReadingRow], reason: str | None = None
) -> None:
    """Name the minutes of rows: see :func:`.touched_minutes.name_minutes`."""
    name_minutes(
        cursor,
        facilities=np.array([row.facility_id for row in rows], dtype=np.int64),
        channels=np.array([row.channel_id for row in rows], dtype=np.int64),
        ts_us=np.array([row.ts_us for row in rows], dtype=np.int64),
        received_us=np.array([row.received_us for row in rows], dtype=np.int64),
        reason=reason,
    )
