"""A retired facility's data deleted for ever, in pieces that nobody waits for.

Each piece is a transaction of its own that also counts what it deleted, so that a purge that is
killed goes on where it was when it is asked for again. The first one says that the purge has begun:
from then on the facility is not computed and cannot come back. The last one takes what is left
together with the registry's rows. That it was purged, by whom and why stays for ever.

Every statement here needs the rights of the database's owner: no service's role may delete history.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, TextClause, func, insert, select, text, update

from services.core.store.audit.record import record
from services.core.store.database import locks
from services.core.store.operations.facility_rows import ALL, DATA, IDS
from services.core.store.operations.retire_facility import look_up
from services.core.store.registry.apply import lock, raise_revision
from services.core.store.registry.organisations import organisations_with
from services.core.store.registry.retirements import Retirement
from services.core.store.schema import tables as t

#: Rows that one piece deletes: a fraction of a second's work.
MAX_ROWS: Final = 20_000

_CHUNKS: Final = text(
    """
SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = :name ORDER BY range_start
"""
)

_COUNTED: Final = text(
    """
UPDATE facility_purge
SET removed = removed || jsonb_build_object(
    CAST(:name AS text),
    coalesce(CAST(removed ->> CAST(:name AS text) AS int8), 0) + CAST(:rows AS int8))
WHERE id = :purge
"""
)


class StillNamedError(ValueError):
    """An organisation counts with a facility; the text says what to do first."""


class NotRetiredError(ValueError):
    """Only a retired facility is purged; the text says what to do first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeCandidate:
    """A facility that may be purged."""

    slug: str
    name: str
    retirement: Retirement
    #: when a purge of it began that was not finished; None: none did
    begun_at: datetime | None
    #: as which login the database knows whoever asks
    login: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Purge:
    """A purge that has begun, and the ids that the facility's rows are found by."""

    id: int
    parameters: Mapping[str, Any]


def candidate(connection: Connection, slug: str, *, is_meant: bool = True) -> PurgeCandidate:
    """Find a facility that may be purged.

    ``is_meant``: it is the one of its id that organisations count with; another cell has it, too,
    where it is not.

    :raises UnknownFacilityError: there is no such facility.
    :raises NotRetiredError: it is in force.
    :raises StillNamedError: an organisation counts with it, and no purge of it has begun.
    """
    facility = look_up(connection, slug)
    if facility.retirement is None:
        raise NotRetiredError(
            f"facility {slug} is in force: retire it first with `tonne remove {slug}`, see that"
            " nobody misses it, and purge it then"
        )
    p = t.facility_purge.c
    begun_at = connection.scalar(
        select(p.begun_at).where(p.facility == slug, p.finished_at.is_(None))
    )
    if begun_at is None and is_meant:
        refuse_named(connection, slug)
    return PurgeCandidate(
        slug=slug,
        name=facility.name,
        retirement=facility.retirement,
        begun_at=begun_at,
        login=str(connection.scalar(text("SELECT session_user"))),
    )


def refuse_named(connection: Connection, slug: str) -> None:
    """Refuse to purge a facility that an organisation of this database counts with.

    :raises StillNamedError: one does.
    """
    today = connection.execute(select(func.current_date())).scalar_one()
    naming = organisations_with(connection, slug, today)
    if naming:
        raise StillNamedError(
            f"organisation {naming[0]} counts with facility {slug}, and its base year would lose"
            f" what {slug} emitted: state in its file when it left (`left`), or leave it out, apply"
            " that with `tonne apply`, and purge it then"
        )


def stored_by_table(connection: Connection, slug: str) -> dict[str, int]:
    """Count what a purge would delete, by table; of years of readings that takes a while."""
    facility = look_up(connection, slug)
    parameters = _parameters(connection, facility.id, slug)
    counted = {
        name: int(connection.scalar(_statement("SELECT count(*) FROM ", name, where), parameters))
        for name, where in ALL.items()
    }
    return {name: rows for name, rows in counted.items() if rows}


def purge(
    bind: Engine,
    slug: str,
    *,
    by: str,
    reason: str,
    is_meant: bool = True,
    max_rows: int = MAX_ROWS,
    rest: Callable[[float], None] = time.sleep,
) -> dict[str, int]:
    """Delete a retired facility for ever; return the rows deleted, by table.

    Durable piece by piece: killed, it goes on when it is called again. ``rest`` is given the
    seconds that a piece took, so that at most half of the time is taken from others.

    :raises UnknownFacilityError, NotRetiredError, StillNamedError: as :func:`candidate`.
    """
    begun = _begin(bind, slug, by=by, reason=reason, is_meant=is_meant)
    for name, where in DATA.items():
        for relation in _relations(bind, name):
            for took_s in _pieces(bind, begun, name, relation, where, max_rows):
                rest(took_s)
    return _finish(bind, begun)


def _begin(bind: Engine, slug: str, *, by: str, reason: str, is_meant: bool) -> _Purge:
    """Say that the purge has begun, unless an earlier one was cut off: then that goes on."""
    with bind.begin() as connection:
        lock(connection)
        facility = look_up(connection, slug)
        retirement = candidate(connection, slug, is_meant=is_meant).retirement
        p = t.facility_purge.c
        purge_id = connection.scalar(
            select(p.id).where(p.facility == slug, p.finished_at.is_(None))
        )
        if purge_id is None:
            purge_id = connection.scalar(
                insert(t.facility_purge)
                .values(
                    facility=slug,
                    name=facility.name,
                    retired_at=retirement.instant,
                    begun_by=by,
                    reason=reason,
                )
                .returning(p.id)
            )
            record(connection, "facility.purge", by=by, facility=slug, subject=slug, reason=reason)
            raise_revision(connection)
        return _Purge(id=int(purge_id or 0), parameters=_parameters(connection, facility.id, slug))


def _parameters(connection: Connection, facility_id: int, slug: str) -> dict[str, Any]:
    ids = connection.execute(text(IDS), {"id": facility_id}).one()
    return {
        "id": facility_id,
        "facility": slug,
        "channels": ids.channels,
        "sources": ids.sources,
        "thresholds": ids.thresholds,
    }


def _relations(bind: Engine, name: str) -> Sequence[str]:
    """Return where a table's rows are: a row's place is its own within a chunk only."""
    if "hypertable" not in t.metadata.tables[name].info:
        return [name]
    with bind.begin() as connection:
        return list(connection.scalars(_CHUNKS, {"name": name}))


def _pieces(
    bind: Engine, begun: _Purge, name: str, relation: str, where: str, max_rows: int
) -> Iterator[float]:
    """Delete what one relation holds, a piece at a time; yields how many seconds each took."""
    some = f"ctid = ANY(ARRAY(SELECT ctid FROM {relation} WHERE {where} LIMIT :limit))"  # noqa: S608
    statement = _statement("DELETE FROM ", relation, some)
    gone = max_rows
    while gone >= max_rows:
        began = time.monotonic()
        with bind.begin() as connection:
            # readings may be dropped meanwhile, by chunk
            if connection.scalar(select(func.to_regclass(relation))) is None:
                return
            _alone(connection, begun)
            gone = connection.execute(statement, {**begun.parameters, "limit": max_rows}).rowcount
            _count(connection, begun, name, gone)
        yield time.monotonic() - began


def _finish(bind: Engine, begun: _Purge) -> dict[str, int]:
    """Delete the registry's rows, and whatever came meanwhile; all of it is gone then."""
    with bind.begin() as connection:
        lock(connection)
        _alone(connection, begun)
        for name, where in ALL.items():
            gone = connection.execute(_statement("DELETE FROM ", name, where), begun.parameters)
            _count(connection, begun, name, gone.rowcount)
        raise_revision(connection)
        removed = connection.scalar(
            update(t.facility_purge)
            .where(t.facility_purge.c.id == begun.id)
            .values(finished_at=func.now())
            .returning(t.facility_purge.c.removed)
        )
        return dict(removed or {})


def _alone(connection: Connection, begun: _Purge) -> None:
    """Wait for whoever computes the facility, until the transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(locks.FACILITY, begun.parameters["id"])))


def _count(connection: Connection, begun: _Purge, name: str, rows: int) -> None:
    if rows:
        connection.execute(_COUNTED, {"name": name, "rows": rows, "purge": begun.id})


def _statement(begin: str, relation: str, where: str) -> TextClause:
    """Build a statement over rows of the facility, of words and names of this module alone."""
    return text(f"{begin}{relation} WHERE {where}")
