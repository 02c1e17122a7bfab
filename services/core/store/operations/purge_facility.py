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
from services.core.store.operations.retire_facility import look_up
from services.core.store.registry.apply import lock, raise_revision
from services.core.store.registry.organisations import organisations_with
from services.core.store.registry.retirements import Retirement
from services.core.store.schema import tables as t
from services.core.store.schema.activity_tables import activity_entry, activity_withdrawal
from services.core.store.schema.electricity_tables import certificate_use, electricity_revision
from services.core.store.schema.factor_series_tables import (
    factor_inbox,
    factor_series,
    factor_value,
)
from services.core.store.schema.file_tables import facility_version
from services.core.store.schema.pathway_tables import base_year_figure, pathway_revision
from services.core.store.schema.pollutant_tables import pollutant_mean, pollutant_mean_history
from services.core.store.schema.product_tables import product_revision
from services.core.store.schema.removal_tables import credit_unit, removal_revision
from services.core.store.schema.sum_tables import emission_day, emission_month

#: Rows that one piece deletes: a fraction of a second's work.
MAX_ROWS: Final = 20_000

_CHANNELS: Final = "channel_id = ANY(:channels)"
_SOURCES: Final = "source_id = ANY(:sources)"
_SERIES: Final = "series_id IN (SELECT s.id FROM factor_series s WHERE s.facility_id = :id)"
_THRESHOLDS: Final = "threshold_id = ANY(:thresholds)"
_FACILITY: Final = "facility_id = :id"

#: What is deleted in pieces, in an order that no foreign key forbids.
_DATA: Final[Mapping[str, str]] = {
    "touched": _FACILITY,
    "recompute": _FACILITY,
    "following_minutes": _FACILITY,
    "reading": _CHANNELS,
    "packed_readings": _CHANNELS,
    "reading_correction": _CHANNELS,
    "discarded_reading": _CHANNELS,
    "calibration_test": _CHANNELS,
    "channel_horizon": _CHANNELS,
    "archived_span": _CHANNELS,
    "archive_file": _FACILITY,
    "emission_minute": _SOURCES,
    "packed_minutes": _SOURCES,
    # before the hours, or each of these would look for them
    emission_day.name: _SOURCES,
    emission_month.name: _SOURCES,
    "emission_hour": _SOURCES,
    "emission_hour_history": _SOURCES,
    "packed_hours": _SOURCES,
    "source_hour_input": _SOURCES,
    "source_hour_input_history": _SOURCES,
    pollutant_mean.name: _SOURCES,
    pollutant_mean_history.name: _SOURCES,
    "rolling_total": _SOURCES,
    "outbox": _FACILITY,
    "alert_comment": "alert_id IN (SELECT a.id FROM alert a WHERE a.facility_id = :id)",
    "alert": _FACILITY,
    "alert_transition": _THRESHOLDS,
    "threshold_state": _FACILITY,
    "quarantine": "facility = :facility",
    activity_withdrawal.name: _FACILITY,
    activity_entry.name: _FACILITY,
    factor_inbox.name: _SERIES,
    factor_value.name: _SERIES,
}

#: What goes with the facility itself, in such an order too.
_REGISTRY: Final[Mapping[str, str]] = {
    "threshold_revision": _THRESHOLDS,
    "threshold": _FACILITY,
    "maintenance": _FACILITY,
    "source_input": _SOURCES,
    "source_revision": _SOURCES,
    "source_absence": _SOURCES,
    "source": _FACILITY,
    "channel_revision": _CHANNELS,
    "channel": "id = ANY(:channels)",
    "device": _FACILITY,
    "factor": _FACILITY,
    factor_series.name: _FACILITY,
    "facility_grant": _FACILITY,
    "set_aside": _FACILITY,
    base_year_figure.name: _FACILITY,
    pathway_revision.name: _FACILITY,
    product_revision.name: _FACILITY,
    certificate_use.name: _FACILITY,
    electricity_revision.name: _FACILITY,
    credit_unit.name: _FACILITY,
    removal_revision.name: _FACILITY,
    facility_version.name: _FACILITY,
    "facility_retirement": _FACILITY,
    "facility_progress": _FACILITY,
    "facility": "id = :id",
}

_ALL: Final[Mapping[str, str]] = {**_DATA, **_REGISTRY}

_IDS: Final = text(
    """
SELECT ARRAY(SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
             WHERE d.facility_id = :id) AS channels,
       ARRAY(SELECT s.id FROM source s WHERE s.facility_id = :id) AS sources,
       ARRAY(SELECT h.id FROM threshold h WHERE h.facility_id = :id) AS thresholds
"""
)

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


def candidate(connection: Connection, slug: str) -> PurgeCandidate:
    """Find a facility that may be purged.

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
    today = connection.execute(select(func.current_date())).scalar_one()
    naming = organisations_with(connection, slug, today) if begun_at is None else []
    if naming:
        raise StillNamedError(
            f"organisation {naming[0]} counts with facility {slug}, and its base year would lose"
            f" what {slug} emitted: state in its file when it left (`left`), or leave it out, apply"
            " that with `tonne apply`, and purge it then"
        )
    return PurgeCandidate(
        slug=slug,
        name=facility.name,
        retirement=facility.retirement,
        begun_at=begun_at,
        login=str(connection.scalar(text("SELECT session_user"))),
    )


def stored_by_table(connection: Connection, slug: str) -> dict[str, int]:
    """Count what a purge would delete, by table; of years of readings that takes a while."""
    facility = look_up(connection, slug)
    parameters = _parameters(connection, facility.id, slug)
    counted = {
        name: int(connection.scalar(_statement("SELECT count(*) FROM ", name, where), parameters))
        for name, where in _ALL.items()
    }
    return {name: rows for name, rows in counted.items() if rows}


def purge(
    bind: Engine,
    slug: str,
    *,
    by: str,
    reason: str,
    max_rows: int = MAX_ROWS,
    rest: Callable[[float], None] = time.sleep,
) -> dict[str, int]:
    """Delete a retired facility for ever; return the rows deleted, by table.

    Durable piece by piece: killed, it goes on when it is called again. ``rest`` is given the
    seconds that a piece took, so that at most half of the time is taken from others.

    :raises UnknownFacilityError, NotRetiredError, StillNamedError: as :func:`candidate`.
    """
    begun = _begin(bind, slug, by=by, reason=reason)
    for name, where in _DATA.items():
        for relation in _relations(bind, name):
            for took_s in _pieces(bind, begun, name, relation, where, max_rows):
                rest(took_s)
    return _finish(bind, begun)


def _begin(bind: Engine, slug: str, *, by: str, reason: str) -> _Purge:
    """Say that the purge has begun, unless an earlier one was cut off: then that goes on."""
    with bind.begin() as connection:
        lock(connection)
        facility = look_up(connection, slug)
        retirement = candidate(connection, slug).retirement
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
    ids = connection.execute(_IDS, {"id": facility_id}).one()
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
        for name, where in _ALL.items():
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
