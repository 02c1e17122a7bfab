"""Quarantine: what was refused, with its raw bytes and the reason, until somebody settles it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, Select, Text, cast, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from services.core.facility.beside import Properties
from services.core.store.schema.tables import quarantine

#: Texts come from outside: longer ones are cut, the raw bytes are kept whole.
_LONGEST: Final = {"detail": 2000, "topic": 1024, "facility": 128, "device": 128, "channel": 128}


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineEntry:
    """One refusal."""

    received_at: datetime
    #: a code of :mod:`services.core.store.readings.quarantine_reasons`
    reason: str
    #: what is wrong and what to do
    detail: str
    topic: str
    payload: bytes
    facility: str | None = None
    device: str | None = None
    channel: str | None = None
    ts: datetime | None = None
    value: float | None = None
    #: for a conflict: what is stored under the same key
    stored_value: float | None = None
    #: of one reading, as sent, and for a conflict as stored; codes as of ``reading.quality``
    quality: int | None = None
    stored_quality: int | None = None
    #: by which a message at a topic of many devices names some that nobody registered
    unknown_ids: tuple[str, ...] | None = None
    #: what MQTT 5 said of the message beside its payload
    properties: Properties | None = None
    #: the message was delivered before, so that the same entry may exist
    repeated: bool = False
    #: of what may be the same entry, the reason and the message tell; not when it is read as sent
    whole_message: bool = False
    #: of whom waits to hear whether it was kept; not stored
    hear: Callable[[bool], None] | None = field(default=None, compare=False, repr=False)

    @property
    def stored_bytes(self) -> int:
        """How much of what came from outside is kept with it."""
        return len(self.payload) + (0 if not self.properties else len(str(self.properties)))


#: The columns of an entry, as the record names them.
_COLUMNS: Final = tuple(
    column.name for column in fields(QuarantineEntry) if column.name in quarantine.c
)

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
_TYPES: Final = {name: quarantine.c[name].type.compile(_DIALECT).lower() for name in _COLUMNS}

_COPY: Final = f"COPY quarantine ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT BINARY)"

#: For what may have been quarantined before: the same refusal twice says nothing new, and what was
#: discarded stays so.
_INSERT_NEW: Final = f"""
INSERT INTO quarantine ({", ".join(_COLUMNS)})
SELECT {", ".join(f"%({name})s::{kind}" for name, kind in _TYPES.items())}
WHERE NOT EXISTS (
    SELECT FROM quarantine
    WHERE md5(payload) = md5(%(payload)s::bytea) AND reason = %(reason)s
      AND state IN ('open', 'discarded') AND topic = %(topic)s AND payload = %(payload)s
      AND (facility, device) IS NOT DISTINCT FROM (%(facility)s::text, %(device)s::text)
      AND properties IS NOT DISTINCT FROM %(properties)s::jsonb
      AND (%(whole_message)s OR (channel, ts, value, quality) IS NOT DISTINCT FROM
          (%(channel)s::text, %(ts)s::timestamptz, %(value)s::double precision,
           %(quality)s::smallint))
)
"""  # noqa: S608 - the columns are the constant above


def add(connection: psycopg.Connection[Any], entries: Sequence[QuarantineEntry]) -> int:
    """Insert entries inside the caller's transaction; return how many were new."""
    fresh = [entry for entry in entries if not entry.repeated]
    added = len(fresh)
    with connection.cursor() as cursor:
        if fresh:
            with cursor.copy(_COPY) as copy:
                copy.set_types(tuple(_TYPES.values()))
                for entry in fresh:
                    copy.write_row(tuple(_storable(entry).values()))
        for entry in entries:
            if entry.repeated:
                cursor.execute(
                    _INSERT_NEW, {**_storable(entry), "whole_message": entry.whole_message}
                )
                added += cursor.rowcount
    return added


#: What was settled longer ago than this is forgotten.
SETTLED_KEPT: Final = timedelta(days=30)

_SETTLE: Final = """
UPDATE quarantine SET state = %s, settled_at = now() WHERE id = ANY(%s) AND state = 'open'
"""

_REFUSE_AGAIN: Final = """
UPDATE quarantine
SET detail = %(detail)s, channel = %(channel)s, ts = %(ts)s, value = %(value)s,
    stored_value = %(stored_value)s, quality = %(quality)s, stored_quality = %(stored_quality)s,
    unknown_ids = %(unknown_ids)s
WHERE id = %(id)s AND state = 'open'
"""

_FORGET: Final = "DELETE FROM quarantine WHERE state <> 'open' AND settled_at < now() - %s"


def settle(
    connection: psycopg.Connection[Any],
    ids: Sequence[int],
    state: Literal["replayed", "accepted"],
) -> None:
    """Let entries leave quarantine; they are kept as settled for :data:`SETTLED_KEPT`."""
    connection.execute(_SETTLE, (state, list(ids)))


def refuse_again(
    connection: psycopg.Connection[Any], refusals: Mapping[int, QuarantineEntry]
) -> None:
    """Leave entries (by id) open, each with what is wrong with it now."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _REFUSE_AGAIN,
            [{**_storable(refusal), "id": item_id} for item_id, refusal in refusals.items()],
        )


def explain(connection: psycopg.Connection[Any], item_id: int, detail: str) -> None:
    """Leave an entry open, with this to say of it."""
    connection.execute("UPDATE quarantine SET detail = %s WHERE id = %s", (detail, item_id))


def forget_settled(connection: psycopg.Connection[Any]) -> int:
    """Delete what was settled longer than :data:`SETTLED_KEPT` ago; return how many entries."""
    return connection.execute(_FORGET, (SETTLED_KEPT,)).rowcount


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What of one device lies open in quarantine."""

    facility: str | None
    #: its id, or the one by which a gateway names it
    device: str | None
    entries: int
    payload_bytes: int


def usages(connection: psycopg.Connection[Any]) -> list[Usage]:
    """Read how much is open, by facility and device as the topics named them."""
    rows = connection.execute(
        "SELECT facility, coalesce(device, unknown_ids[1]), count(*), sum(octet_length(payload)"
        " + coalesce(octet_length(properties::text), 0))"
        " FROM quarantine WHERE state = 'open' GROUP BY 1, 2"
    )
    return [
        Usage(facility=facility, device=device, entries=entries, payload_bytes=int(size))
        for facility, device, entries, size in rows
    ]


def _storable(entry: QuarantineEntry) -> dict[str, Any]:
    """Return the entry's columns in the order of ``_COLUMNS``."""
    columns = {name: getattr(entry, name) for name in _COLUMNS}
    columns["reason"] = str(entry.reason)
    ids = entry.unknown_ids
    stated = entry.properties
    columns["properties"] = None if stated is None else Jsonb(stated)
    columns["unknown_ids"] = None if ids is None else [_text("device", name) for name in ids]
    for column in _LONGEST:
        columns[column] = _text(column, columns[column])
    return columns


def _text(column: str, text: str | None) -> str | None:
    """Return text as PostgreSQL can hold it: without NUL and lone surrogates, not too long."""
    if text is None:
        return None
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    return encodable.replace("\0", "\N{REPLACEMENT CHARACTER}")[: _LONGEST[column]]


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineItem:
    """A stored refusal; ``payload`` is cut where a listing asked for it."""

    id: int
    received_at: datetime
    reason: str
    detail: str
    topic: str
    payload: bytes
    payload_bytes: int
    facility: str | None
    device: str | None
    channel: str | None
    ts: datetime | None
    value: float | None
    stored_value: float | None
    quality: int | None
    stored_quality: int | None
    state: str
    settled_at: datetime | None
    #: of a message at a topic of many devices
    unknown_ids: Sequence[str] | None = None
    #: what MQTT 5 said of the message beside its payload
    properties: Properties | None = None
    #: when it was written, by the database's clock; None: not known, or not asked for
    kept_at: datetime | None = None


def select_page(
    *,
    limit: int,
    before_id: int | None = None,
    states: Iterable[str] = (),
    reasons: Iterable[str] = (),
    facilities: Iterable[str] | None = None,
    devices: Iterable[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    payload_bytes: int = 1024,
) -> Select[Any]:
    """Select the newest items first, ``limit`` at most, each with the payload's first bytes.

    An empty filter means all, and ``facilities`` None; the next page begins before the last id of
    this one. ``since`` and ``until`` bound the arrival, the end exclusive. ``devices``: see
    :func:`names_device`.
    """
    statement = _select(func.substr(quarantine.c.payload, 1, payload_bytes)).limit(limit)
    for column, wanted in (
        (quarantine.c.state, tuple(states)),
        (quarantine.c.reason, tuple(reasons)),
    ):
        if wanted:
            statement = statement.where(column.in_(wanted))
    if facilities is not None:
        statement = statement.where(quarantine.c.facility.in_(tuple(facilities)))
    if devices := tuple(devices):
        statement = statement.where(names_device(devices))
    if since is not None:
        statement = statement.where(quarantine.c.received_at >= since)
    if until is not None:
        statement = statement.where(quarantine.c.received_at < until)
    if before_id is not None:
        statement = statement.where(quarantine.c.id < before_id)
    return statement.order_by(quarantine.c.id.desc())


def names_device(names: Sequence[str]) -> ColumnElement[bool]:
    """Return whether an entry is of one of some devices, each by its id or ``facility/device``.

    No id has a slash in it, and no topic can bring one into these columns. An id by which a gateway
    names what nobody registered stands for that.
    """
    c = quarantine.c
    by_id: ColumnElement[bool] = c.unknown_ids.overlap(cast(list(names), ARRAY(Text)))
    return c.device.in_(names) | (c.facility + "/" + c.device).in_(names) | by_id


def select_item(item_id: int) -> Select[Any]:
    """Select one item with all its bytes."""
    return _select(quarantine.c.payload).where(quarantine.c.id == item_id)


def _select(payload: ColumnElement[Any]) -> Select[Any]:
    special = {
        "payload": payload.label("payload"),
        "payload_bytes": func.octet_length(quarantine.c.payload).label("payload_bytes"),
    }
    names = (column.name for column in fields(QuarantineItem) if column.name != "kept_at")
    return select(*(special[name] if name in special else quarantine.c[name] for name in names))


def item(row: Mapping[str, Any]) -> QuarantineItem:
    """Return a row of either statement as a record."""
    return QuarantineItem(**{**row, "payload": bytes(row["payload"])})
