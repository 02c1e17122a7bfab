"""Reading from a standby what the primary shows: not less, not more, and of the same history.

A :class:`Mark` says what the primary showed at an instant. A snapshot of a standby that was taken
when the standby had replayed up to the mark shows all of it. It may also show a commit that the
primary does not show yet, and may never show, because it waits for its synchronous standby: so the
snapshot is held against a mark that was made later, until that one knows all that it shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import psycopg

# The snapshot is older than the position, so all that it shows was written to the log before that:
# a transaction shows only when its commit is on the disk (synchronous_commit is on).
_MARK: Final = """
SELECT pg_current_snapshot()::text, pg_current_wal_flush_lsn()::text,
       ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint,
       (SELECT system_identifier FROM pg_control_system()),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database())
"""

# What a server knows of its timeline: where it last restarted from, up to where it is consistent,
# and what it receives, which only logins with pg_read_all_stats are told. None of them is ever
# ahead of what it replays, and a primary that was replaced and came back has none of the new one.
_STANDS: Final = """
SELECT pg_is_in_recovery(),
       (SELECT system_identifier FROM pg_control_system()) = {system}
         AND (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) = {database},
       greatest((SELECT timeline_id FROM pg_control_checkpoint()),
                (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                (SELECT received_tli FROM pg_stat_wal_receiver)) = {timeline},
       coalesce(pg_last_wal_replay_lsn() >= '{flushed}'::pg_lsn, false)
"""

# Whether the snapshot may show a transaction that ran when the mark was made. Of a standby's
# snapshot the end alone is told, not what runs before it; so its log of commits is asked, which
# knows as much as the snapshot, or more.
_IS_AHEAD: Final = """
SELECT coalesce(bool_or(CASE WHEN t.id < s.ends THEN pg_xact_status(t.id) = 'committed'
                             ELSE false END), false)
FROM (SELECT pg_snapshot_xmax(pg_current_snapshot()) AS ends) AS s
CROSS JOIN LATERAL (
    SELECT pg_snapshot_xip('{snapshot}'::pg_snapshot) AS id
    UNION ALL
    SELECT n::text::xid8
    FROM generate_series('{first}'::numeric, s.ends::text::numeric - 1) AS n) AS t
"""

# What it receives is told to a login that may read it, and not to the role of reads.
_AS_LOGIN: Final = "SET LOCAL ROLE NONE"
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

#: What a statement of the mark may be put together of.
_SNAPSHOT: Final = re.compile(r"[0-9]+:([0-9]+):[0-9,]*\Z")
_POSITION: Final = re.compile(r"[0-9A-F]+/[0-9A-F]+\Z")

#: SQLSTATEs by why the standby could not go on; what has none is a connection that was lost.
_REASONS: Final = {
    # replay had to take away what the query saw, or holds a lock
    "40001": "conflict",
    "40P01": "conflict",
    "55P03": "conflict",
    # what is packed is unpacked into tables of the session, and a standby makes none
    "25006": "unpacks",
    "57014": "slow",
    "25P03": "slow",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What a primary showed when it was asked."""

    snapshot: str
    flushed: str
    timeline: int
    system: int
    database: int

    @classmethod
    async def read(cls, primary: psycopg.AsyncConnection[Any]) -> Self:
        """Ask the primary; it is one short statement.

        :raises psycopg.Error: it does not answer, or is none.
        """
        row = await (await primary.execute(_MARK)).fetchone()
        assert row is not None  # noqa: S101 - it reads no table
        snapshot, flushed, timeline, system, database = row
        if not (_SNAPSHOT.match(snapshot) and _POSITION.match(flushed)):
            raise psycopg.DataError("the primary's position in its log cannot be read")
        return cls(
            snapshot=snapshot,
            flushed=flushed,
            timeline=timeline,
            system=system,
            database=database,
        )

    @property
    def ends(self) -> str:
        """The first transaction that had not begun, or was not known to have ended."""
        return self.snapshot.split(":")[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a standby stands to a mark."""

    in_recovery: bool
    same_database: bool
    same_timeline: bool
    has_replayed: bool
    #: what the snapshot shows, the mark may not
    is_ahead: bool

    @property
    def refusal(self) -> str | None:
        """Why this server is not the one to ask, however long one waits; None: it is."""
        if not self.in_recovery:
            return "promoted"
        if not self.same_database:
            return "other-database"
        return None if self.same_timeline else "timeline"


def begin(mark: Mark) -> str:
    """Build what asks how the standby stands and then opens a snapshot, in one message.

    It is sent without parameters, as a message of several statements has to be; :func:`standing`
    reads its rows. Whether a position is replayed has to be known before the snapshot is taken.
    """
    stands = _STANDS.format(
        system=mark.system,
        database=mark.database,
        timeline=mark.timeline,
        flushed=mark.flushed,
    )
    return f"BEGIN; {_AS_LOGIN}; {stands}; COMMIT; {_BEGIN}; {is_ahead(mark)}"


def is_ahead(mark: Mark) -> str:
    """Build what asks whether the open snapshot shows more than the mark."""
    return _IS_AHEAD.format(snapshot=mark.snapshot, first=mark.ends)


def standing(rows: Sequence[tuple[Any, ...]]) -> Standing:
    """Read what :func:`begin` answered."""
    (in_recovery, same_database, same_timeline, has_replayed), (ahead,) = rows
    return Standing(
        in_recovery=in_recovery,
        same_database=same_database,
        same_timeline=bool(same_timeline),
        has_replayed=has_replayed,
        is_ahead=ahead,
    )


def asked(connection: psycopg.Connection[Any], message: str) -> list[tuple[Any, ...]]:
    """Send a message of several statements; return their rows."""
    cursor = connection.execute(message.encode())
    rows: list[tuple[Any, ...]] = []
    while True:
        if cursor.description is not None:
            rows += cursor.fetchall()
        if not cursor.nextset():
            return rows


async def asked_async(
    connection: psycopg.AsyncConnection[Any], message: str
) -> list[tuple[Any, ...]]:
    """As :func:`asked`."""
    cursor = await connection.execute(message.encode())
    rows: list[tuple[Any, ...]] = []
    while True:
        if cursor.description is not None:
            rows += await cursor.fetchall()
        if not cursor.nextset():
            return rows


def reason_of(error: BaseException) -> str:
    """Name why a standby could not go on, by what it, or its connection, raised."""
    raised = getattr(error, "orig", None) or error
    state = getattr(raised, "sqlstate", None)
    if isinstance(state, str) and not state.startswith(("08", "57P")):
        return _REASONS.get(state, "error")
    return "away"
