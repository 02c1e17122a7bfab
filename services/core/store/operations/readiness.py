"""What must be there before the API can be trusted: schema and working processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from services.core.store.database import schema_version, unreadable_chunks
from services.core.store.database.connect import connect_async
from services.core.store.database.progress import AGE_S, BEGINS, DISCOVERY, RUNS
from services.core.store.database.schema_version import Stored
from services.core.store.operations import (
    audits_due,
    backup_age,
    calibration_ranges,
    standing,
)
from services.core.store.operations.notices import MAX_MONITORS, MAX_NOTICES

_PROGRESS = f"SELECT process, min({AGE_S})::float8 FROM process_progress GROUP BY process"  # noqa: S608

# An ingest that turns without a session, or hears nothing of itself by it, takes nothing in:
# devices may publish to nobody.
_BROKER_AWAY = f"""
SELECT coalesce(bool_and(state->>'broker' IN ('away', 'silent')), false)
FROM process_progress
WHERE process = 'ingest' AND {AGE_S} < %s
"""  # noqa: S608 - the age

_WARNED = f"""
SELECT coalesce(sum((state->>'shed')::bigint), 0)::bigint,
coalesce(bool_or((state->>'mostly_refused')::boolean), false)
FROM process_progress
WHERE process = 'ingest' AND {AGE_S} < %s
"""  # noqa: S608 - the age

# Until an ingest knows whether it hears devices that nobody registered.
_DISCOVERY_BEGINS = f"""
SELECT coalesce(bool_or(state->>'{DISCOVERY}' = '{BEGINS}'), false)
FROM process_progress
WHERE process = 'ingest' AND {AGE_S} < %s
"""  # noqa: S608 - the age, and constants

# What a process wants said beside readiness, in the words and under the code that it chose itself:
# state -> 'notices' -> [{"code": "filter-refused", "detail": "one sentence saying what to do"}]
_NOTICES = f"""
SELECT DISTINCT process, notice->>'code', notice->>'detail'
FROM process_progress, jsonb_array_elements(state->'notices') AS notice
WHERE jsonb_typeof(state->'notices') = 'array'
AND {AGE_S} < %s
ORDER BY 1, 2, 3 LIMIT {MAX_NOTICES + 1}
"""  # noqa: S608 - the age

_PENDING = f"""
SELECT coalesce(max((state->>'waiting')::bigint), 0)::bigint,
coalesce(max((state->>'oldest_s')::float8), 0)::float8
FROM process_progress
WHERE process = 'notify' AND {AGE_S} < %s
"""  # noqa: S608 - the age


# Readings become alerts where ingest hears its broker and an aggregator computes.
_ALERTS_ARISE = f"""
SELECT EXISTS (SELECT FROM process_progress WHERE process = 'ingest' AND {RUNS}
               AND coalesce(state->>'broker', '') <> 'away')
   AND EXISTS (SELECT FROM process_progress WHERE process = 'aggregator' AND {RUNS})
"""  # noqa: S608 - the condition of who runs

_INGEST_LISTENS = f"""
SELECT EXISTS (SELECT FROM process_progress WHERE process = 'ingest' AND {RUNS}
               AND state->>'broker' = 'connected' AND started_at >= %s)
"""  # noqa: S608 - as above

_SET_ASIDE = f"""
SELECT a.service, f.slug AS facility, a.kind, a.name, a.reason, a.since
FROM set_aside a JOIN facility f ON f.id = a.facility_id ORDER BY a.since LIMIT {MAX_NOTICES + 1}
"""  # noqa: S608 - a number


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftAlone:
    """A piece of work that a service has set aside; see :mod:`..emissions.set_aside`."""

    service: str
    facility: str
    kind: str
    name: str
    reason: str
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something to look at while totals can be trusted; its code stays the same for ever."""

    process: str
    code: str
    #: one sentence that says what to do
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """What the database says of itself and of the processes that write to it."""

    #: None: no migration was ever applied
    schema: Stored | None
    #: what of the database the server cannot read, and what to do; None: all can be read
    unreadable: str | None = None
    #: seconds since the last turn of the newest instance, by process
    progress_age_s: Mapping[str, float] = field(default_factory=dict)
    #: whether every ingest that works is without a session with the broker
    broker_away: bool = False
    #: whether an ingest does not hear yet devices that nobody registered
    discovery_begins: bool = False
    #: refusals that quarantine had no room for, in about the last two minutes
    shed: int = 0
    #: whether an ingest refuses more than half of what arrives
    mostly_refused: bool = False
    #: notifications that are not delivered yet, and the age of the oldest
    pending: int = 0
    pending_s: float = 0.0
    #: what processes say for themselves
    notices: tuple[Notice, ...] = ()
    #: of them, what stands in the registry and will surprise
    stands: tuple[Notice, ...] = ()
    #: what cannot be done, the oldest hundred
    set_aside: tuple[LeftAlone, ...] = ()


async def readiness(
    url: str,
    *,
    stale_after_s: float,
    backup_max_age: timedelta = timedelta(),
    stands: Sequence[Notice] | None = None,
) -> Readiness:
    """Read the schema's revision, the age of every process's progress, and what they say.

    What a process said longer than ``stale_after_s`` ago no longer counts. ``stands``: what stands
    in the registry and will surprise, where that was read not long ago; None: it is read now.
    ``backup_max_age``: what it says of a newest backup that is older; zero: nothing.

    Opens a connection of its own: that new ones can be had is part of being ready. On it the
    database is asked twice: which schema it has, and all else at once.

    :raises psycopg.Error: the database cannot be reached or read.
    """
    freshness = (stale_after_s,)
    async with await connect_async(
        url, process="api", autocommit=True, any_schema=True
    ) as connection:
        schema = await schema_version.stored_async(connection)
        if schema is None:
            return Readiness(schema=None)
        unreadable = await unreadable_chunks.objection_async(connection)
        current = schema_version.objection(schema) is None
        aside = connection.cursor(row_factory=class_row(LeftAlone))
        surprises = connection.cursor()
        monitors, calibrated = connection.cursor(), connection.cursor()
        backups = connection.cursor()
        now = datetime.now(UTC)
        async with connection.pipeline():
            progress = await connection.execute(_PROGRESS)
            broker = await connection.execute(_BROKER_AWAY, freshness)
            begins = await connection.execute(_DISCOVERY_BEGINS, freshness)
            warned = await connection.execute(_WARNED, freshness)
            pending = await connection.execute(_PENDING, freshness)
            notice_rows = await connection.execute(_NOTICES, freshness)
            if current:
                await aside.execute(_SET_ASIDE)
            if current and stands is None:
                await surprises.execute(standing.SURPRISES, {"facility": None})
                await monitors.execute(
                    audits_due.MONITORS, {"facility": None, "monitors": MAX_MONITORS}
                )
                await calibrated.execute(
                    calibration_ranges.MONITORS,
                    {"facility": None, "now": now, "monitors": MAX_MONITORS},
                )
                await backups.execute(backup_age.BACKUPS)
        if current and stands is None:
            stands = [
                notice
                for of_one_kind in (
                    standing.sentences(await surprises.fetchall()),
                    audits_due.sentences(await monitors.fetchall(), now),
                    calibration_ranges.sentences(await calibrated.fetchall(), now),
                    backup_age.sentences(await backups.fetchall(), now, backup_max_age),
                )
                for notice in _limited(
                    [
                        Notice(process="api", code=code, detail=detail)
                        for code, _, detail in of_one_kind
                    ],
                    "warnings of one kind; `tonne apply FILE` lists those of a facility",
                )
            ]
        stands = tuple(stands or ()) if current else ()
        ((broker_away,),) = await broker.fetchall()
        ((discovery_begins,),) = await begins.fetchall()
        ((shed, mostly_refused),) = await warned.fetchall()
        ((waiting, oldest_s),) = await pending.fetchall()
        notices = _limited(
            [
                Notice(process=process, code=code, detail=detail)
                for process, code, detail in await notice_rows.fetchall()
                if code and detail
            ],
            "notices of processes; their logs have them all",
        )
        set_aside = await aside.fetchall() if current else []
        notices += _limited([], "pieces of work that are set aside", count=len(set_aside))
        return Readiness(
            schema=schema,
            unreadable=unreadable,
            progress_age_s={str(name): float(age_s) for name, age_s in await progress.fetchall()},
            broker_away=bool(broker_away),
            discovery_begins=bool(discovery_begins),
            shed=shed,
            mostly_refused=mostly_refused,
            pending=waiting,
            pending_s=oldest_s,
            notices=(*notices, *stands),
            stands=stands,
            set_aside=tuple(set_aside[:MAX_NOTICES]),
        )


def _limited(notices: list[Notice], which: str, *, count: int | None = None) -> list[Notice]:
    """Return as many as are told at once, and that there are more than these."""
    if (len(notices) if count is None else count) <= MAX_NOTICES:
        return notices
    more = f"there are more than {MAX_NOTICES} {which}"
    return [*notices[:MAX_NOTICES], Notice(process="api", code="more-notices", detail=more)]


async def alerts_arise(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Return whether readings become alerts: ingest hears its broker, an aggregator computes."""
    row = await (await connection.execute(_ALERTS_ARISE)).fetchone()
    return bool(row and row[0])


def ingest_listens(connection: psycopg.Connection[Any], started_at: datetime) -> bool:
    """Return whether an ingest that started at or after an instant has its broker session."""
    row = connection.execute(_INGEST_LISTENS, (started_at,)).fetchone()
    return bool(row and row[0])
