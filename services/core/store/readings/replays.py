"""The queue of replays: what of quarantine is to be tried again, for whom, and how far it is.

Whoever wants a replay adds a request with :func:`submit`; ingest serves the oldest one, a step at
a time, with the functions below it. A request covers what was open when it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, text, update

from services.core.store.audit.record import record
from services.core.store.database.progress import RUNS
from services.core.store.readings.quarantine import QuarantineItem, names_device
from services.core.store.schema.column_names import column_names
from services.core.store.schema.tables import process_progress, quarantine, replay_request


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which open entries are meant; None: whatever it is."""

    ids: tuple[int, ...] | None = None
    facilities: tuple[str, ...] | None = None
    #: by id: of any facility; or as ``facility/device``
    devices: tuple[str, ...] | None = None
    reasons: tuple[str, ...] | None = None
    #: arrival, the end exclusive
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayRequest:
    """A replay and how far it is."""

    id: int
    requested_at: datetime
    requested_by: str
    note: str | None
    #: whether conflicts replace what is stored
    accept: bool
    selection: Selection
    #: newest entry when it was asked for
    upto_id: int
    #: how many matched when it was asked for
    entries: int
    #: the last entry that was tried: its arrival and id
    after: tuple[datetime, int] | None
    tried: int
    restored: int
    accepted: int
    #: entries that stay in quarantine, by the reason they now have
    refused: Mapping[str, int]
    finished_at: datetime | None


def _matches(selection: Selection) -> list[ColumnElement[bool]]:
    c = quarantine.c
    conditions = [c.state == "open"]
    conditions += [
        column.in_(wanted)
        for column, wanted in (
            (c.id, selection.ids),
            (c.facility, selection.facilities),
            (c.reason, selection.reasons),
        )
        if wanted is not None
    ]
    if selection.devices is not None:
        conditions.append(names_device(selection.devices))
    if selection.since is not None:
        conditions.append(c.received_at >= selection.since)
    if selection.until is not None:
        conditions.append(c.received_at < selection.until)
    return conditions


def submit(
    connection: Connection, selection: Selection, *, accept: bool, by: str, note: str | None
) -> int:
    """Ask for a replay of what is open now; return the request's id."""
    entries = connection.scalar(select(func.count()).where(*_matches(selection)))
    upto_id = connection.scalar(select(func.coalesce(func.max(quarantine.c.id), 0)))
    made = connection.scalar(
        insert(replay_request)
        .values(
            requested_by=by,
            note=note,
            accept=accept,
            ids=selection.ids,
            facilities=selection.facilities,
            devices=selection.devices,
            reasons=selection.reasons,
            since=selection.since,
            until=selection.until,
            upto_id=upto_id,
            entries=entries,
            finished_at=None if entries else func.now(),
        )
        .returning(replay_request.c.id)
    )
    if made is None:
        raise AssertionError("an inserted row has an id")
    record(
        connection,
        "quarantine.replay",
        by=by,
        facility=_one_facility(selection),
        subject=made,
        after={**_chosen(selection), "accept": accept, "entries": entries},
        reason=note,
    )
    return int(made)


def _one_facility(selection: Selection) -> str | None:
    slugs = selection.facilities or ()
    return slugs[0] if len(slugs) == 1 else None


def _chosen(selection: Selection) -> dict[str, Any]:
    """Return what a selection names."""
    return {name: value for name, value in asdict(selection).items() if value is not None}


def unknown_ids(
    connection: Connection, ids: Sequence[int], facilities: Sequence[str] | None
) -> list[int]:
    """Read those of ``ids`` that are no entry of quarantine, or not one of ``facilities``."""
    statement = select(quarantine.c.id).where(quarantine.c.id.in_(ids))
    if facilities is not None:
        statement = statement.where(quarantine.c.facility.in_(facilities))
    return sorted(set(ids) - set(connection.scalars(statement)))


def senders(connection: Connection, selection: Selection) -> list[tuple[str, str]]:
    """Read facility and device of what is selected, each once, as far as both are known."""
    c = quarantine.c
    rows = connection.execute(
        select(c.facility, c.device)
        .distinct()
        .where(*_matches(selection), c.facility.is_not(None), c.device.is_not(None))
    )
    return [(facility, device) for facility, device in rows]


def ingest_runs(connection: Connection) -> bool:
    """Return whether an ingest runs, which serves the requests."""
    runs = select(process_progress.c.process).where(
        process_progress.c.process == "ingest", text(RUNS)
    )
    return bool(connection.scalar(select(runs.exists())))


def discard(connection: Connection, selection: Selection, *, by: str) -> int:
    """Give up open entries for good; return how many."""
    statement = (
        update(quarantine)
        .where(*_matches(selection))
        .values(state="discarded", settled_at=func.now())
    )
    number = connection.execute(statement).rowcount
    record(
        connection,
        "quarantine.discard",
        by=by,
        facility=_one_facility(selection),
        after={**_chosen(selection), "entries": number},
    )
    return number


def select_request(request_id: int) -> Select[Any]:
    """Select one request; see :func:`request`."""
    return select(replay_request).where(replay_request.c.id == request_id)


def request(row: Mapping[str, Any]) -> ReplayRequest:
    """Return a row of ``replay_request`` as a record."""
    given = dict(row)
    selection = Selection(
        **{
            name: None if given[name] is None else tuple(given[name])
            for name in ("ids", "facilities", "devices", "reasons")
        },
        since=given["since"],
        until=given["until"],
    )
    for name in ("ids", "facilities", "devices", "reasons", "since", "until"):
        del given[name]
    received_at, last_id = given.pop("after_received_at"), given.pop("after_id")
    return ReplayRequest(
        selection=selection,
        after=None if last_id is None else (received_at, last_id),
        **given,
    )


# -- the side of ingest -----------------------------------------------------------------------

_OLDEST: LiteralString = f"""
SELECT {column_names(replay_request, "r")} FROM replay_request r
WHERE finished_at IS NULL ORDER BY id LIMIT 1
"""  # noqa: S608 - names of the schema

#: In the order of arrival; at least one entry, else as many as fit into so many bytes.
_ENTRIES: Final = """
SELECT q.id, q.received_at, q.reason, q.detail, q.topic, q.payload,
       octet_length(q.payload) AS payload_bytes, q.facility, q.device, q.channel, q.ts, q.value,
       q.stored_value, q.quality, q.stored_quality, q.unknown_ids, q.state, q.settled_at,
       q.kept_at, q.properties
FROM (
    SELECT id, sum(octet_length(payload)) OVER (ORDER BY received_at, id)
               - octet_length(payload) AS before
    FROM (
        SELECT id, received_at, payload FROM quarantine
        WHERE state = 'open' AND id <= %(upto_id)s
          AND (received_at, id) > (%(after_at)s::timestamptz, %(after_id)s::bigint)
          AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s))
          AND (%(facilities)s::text[] IS NULL OR facility = ANY(%(facilities)s))
          AND (%(devices)s::text[] IS NULL OR device = ANY(%(devices)s)
               OR facility || '/' || device = ANY(%(devices)s)
               OR unknown_ids && %(devices)s)
          AND (%(reasons)s::text[] IS NULL OR reason = ANY(%(reasons)s))
          AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s)
        ORDER BY received_at, id LIMIT %(limit)s) next
    ) fitting
JOIN quarantine q USING (id)
WHERE before < %(max_bytes)s
ORDER BY q.received_at, q.id
"""

#: Nothing happens if the request has moved on meanwhile.
_ADVANCE: Final = """
UPDATE replay_request
SET after_received_at = %(at)s, after_id = %(id)s, tried = tried + %(tried)s,
    restored = restored + %(restored)s, accepted = accepted + %(accepted)s,
    refused = %(refused)s
WHERE id = %(request)s AND finished_at IS NULL AND after_id IS NOT DISTINCT FROM %(after_id)s
"""

_REQUEST: Final = """
INSERT INTO replay_request (requested_by, note, accept, ids, upto_id, entries)
SELECT 'ingest', %(note)s, false, array_agg(id ORDER BY id), max(id), count(*)
FROM unnest(%(ids)s::bigint[]) AS id
WHERE NOT EXISTS (
    SELECT FROM replay_request r WHERE r.finished_at IS NULL AND id = ANY(r.ids))
HAVING count(*) > 0
"""

_FINISH: Final = """
UPDATE replay_request SET finished_at = now() WHERE id = %s AND finished_at IS NULL
"""


def request_by_ingest(
    connection: psycopg.Connection[Any], ids: Sequence[int], *, note: str
) -> None:
    """Ask for a replay of entries that no waiting request names already."""
    connection.execute(_REQUEST, {"ids": list(ids), "note": note})


def oldest_waiting(connection: psycopg.Connection[Any]) -> ReplayRequest | None:
    """Read the request that is to be served next; None if none waits."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_OLDEST).fetchone()
    return None if row is None else request(row)


def next_entries(
    connection: psycopg.Connection[Any], wanted: ReplayRequest, *, limit: int, max_bytes: int
) -> list[QuarantineItem]:
    """Read what the request has not tried yet, in the order of arrival, with all bytes."""
    selection = wanted.selection
    after_at, after_id = wanted.after or ("-infinity", 0)
    parameters = {
        "upto_id": wanted.upto_id,
        "after_at": after_at,
        "after_id": after_id,
        "ids": _array(selection.ids),
        "facilities": _array(selection.facilities),
        "devices": _array(selection.devices),
        "reasons": _array(selection.reasons),
        "since": selection.since,
        "until": selection.until,
        "limit": limit,
        "max_bytes": max_bytes,
    }
    with connection.cursor(row_factory=dict_row) as cursor:
        return [QuarantineItem(**row) for row in cursor.execute(_ENTRIES, parameters)]


def advance(
    connection: psycopg.Connection[Any],
    served: ReplayRequest,
    *,
    last: QuarantineItem,
    restored: int,
    accepted: int,
    refused: Mapping[str, int],
) -> bool:
    """Move the request on to the entry ``last``; False if somebody did since it was read.

    It belongs into the transaction that settles the entries, which must not be committed if the
    answer is False.
    """
    number = restored + accepted + sum(refused.values())
    parameters = {
        "request": served.id,
        "after_id": None if served.after is None else served.after[1],
        "at": last.received_at,
        "id": last.id,
        "tried": number,
        "restored": restored,
        "accepted": accepted,
        "refused": Jsonb(dict(Counter(served.refused) + Counter(refused))),
    }
    return connection.execute(_ADVANCE, parameters).rowcount == 1


def finish(connection: psycopg.Connection[Any], served: ReplayRequest) -> None:
    """Say that nothing is left to try."""
    connection.execute(_FINISH, (served.id,))


def _array(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)
