"""What ingest notes of devices that nobody registered, and hands over when they are adopted.

One ingest notes at a time, see :func:`try_lock`. All functions work in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from services.core.facility.discovery.learning import Learned
from services.core.store.database import locks
from services.core.store.readings.quarantine_reasons import Reason
from services.core.store.readings.replays import request_by_ingest

#: Messages of a candidate that are stored, and their bytes; the oldest are let go.
MAX_MESSAGES: Final = 500
MAX_BYTES: Final = 256 * 1024
#: A candidate that was not heard for so long is forgotten, whatever became of it.
FORGOTTEN_AFTER: Final = timedelta(days=30)

#: What lies in quarantine because nobody registered its device, or a channel of it.
UNREGISTERED: Final = (Reason.UNKNOWN_DEVICE, Reason.UNKNOWN_CHANNEL)

_MAX_ENTRIES: Final = 10_000


@dataclass(kw_only=True, slots=True)
class CandidateNote:
    """A candidate as it is noted."""

    key: str
    family: str
    label: str
    facility: str | None = None
    device: str | None = None
    first_seen: datetime
    last_seen: datetime
    messages: int
    learned: Learned
    worth: int
    quarantine_id: int | None = None
    state: str = "open"
    #: of an adopted device: those that it is heard at
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateMessage:
    """A message of a candidate, to be stored until it is adopted or let go."""

    topic: str
    payload: bytes
    received_at: datetime


_LOAD: Final = """
SELECT key, family, label, facility, device, first_seen, last_seen, messages, learned, worth,
       quarantine_id, state, topics
FROM device_candidate ORDER BY last_seen
"""

_NOTE: Final = """
INSERT INTO device_candidate (key, family, label, facility, device, first_seen, last_seen, messages,
                              let_go, learned, worth, quarantine_id)
VALUES (%(key)s, %(family)s, %(label)s, %(facility)s, %(device)s, %(first_seen)s, %(last_seen)s,
        %(messages)s, 0, %(learned)s, %(worth)s, %(quarantine_id)s)
ON CONFLICT (key) DO UPDATE
SET family = excluded.family, label = excluded.label, last_seen = excluded.last_seen,
    messages = excluded.messages, learned = excluded.learned, worth = excluded.worth,
    quarantine_id = excluded.quarantine_id
RETURNING id, state, topics
"""

_STORE: Final = """
INSERT INTO candidate_message (candidate_id, received_at, topic, payload)
SELECT %(id)s, received_at, topic, payload
FROM unnest(%(received_at)s::timestamptz[], %(topics)s::text[], %(payloads)s::bytea[])
     AS heard (received_at, topic, payload)
"""

_TRIM: Final = """
WITH ranked AS (
    SELECT id, row_number() OVER newest AS number,
           sum(octet_length(payload) + octet_length(topic)) OVER newest AS bytes
    FROM candidate_message WHERE candidate_id = %(id)s
    WINDOW newest AS (ORDER BY id DESC)
), gone AS (
    DELETE FROM candidate_message m USING ranked r
    WHERE m.id = r.id AND (r.number > %(messages)s OR r.bytes > %(bytes)s)
    RETURNING m.id
)
UPDATE device_candidate SET let_go = let_go + (SELECT count(*) FROM gone)
WHERE id = %(id)s AND EXISTS (SELECT FROM gone)
RETURNING (SELECT count(*) FROM gone)
"""

_ADOPTED: Final = """
SELECT c.id, c.facility, c.device, c.settled_by, c.topics
FROM device_candidate c
WHERE c.state = 'adopted' AND (c.handed_over IS NULL
      OR EXISTS (SELECT FROM candidate_message m WHERE m.candidate_id = c.id))
ORDER BY c.settled_at LIMIT 20
"""

#: What was stored of a candidate is refused as of the device that it became, so that a replay
#: takes it the way of all messages.
_MOVE: Final = """
WITH moved AS (
    DELETE FROM candidate_message WHERE candidate_id = %(id)s
    RETURNING id, received_at, topic, payload
)
INSERT INTO quarantine (received_at, reason, detail, topic, payload, facility, device)
SELECT received_at, 'unknown_device', %(detail)s, topic, payload, %(facility)s, %(device)s
FROM moved WHERE topic = ANY(%(topics)s) ORDER BY id
"""

_OPEN_ENTRIES: Final = """
SELECT id FROM quarantine
WHERE state = 'open' AND facility = %(facility)s AND device = %(device)s
  AND reason = ANY(%(reasons)s)
ORDER BY id LIMIT %(limit)s
"""

_NEW_ENTRIES: Final = """
SELECT id, received_at, topic, payload, facility, device, unknown_ids FROM quarantine
WHERE id > %(after)s AND state = 'open' AND reason = ANY(%(reasons)s)
  AND (device IS NOT NULL OR unknown_ids IS NOT NULL)
ORDER BY id LIMIT %(limit)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedMessage:
    """An entry of quarantine whose device or channel nobody registered."""

    id: int
    received_at: datetime
    topic: str
    payload: bytes
    #: None: nobody's topic is like it, and it waits there for whoever names its sender
    facility: str | None
    #: None: it is named by an id that no device is known as
    device: str | None
    unknown_ids: tuple[str, ...]


def try_lock(connection: psycopg.Connection[Any]) -> bool:
    """Become the one who notes, for as long as the connection is open; False: another one is."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (locks.CANDIDATES,)).fetchone()
    return bool(row and row[0])


def load(connection: psycopg.Connection[Any]) -> list[CandidateNote]:
    """Read all that is noted, those heard of longest ago first."""
    return [
        CandidateNote(
            key=key, family=family, label=label, facility=facility, device=device,
            first_seen=first_seen, last_seen=last_seen, messages=messages,
            learned=Learned.from_json(learned), worth=worth, quarantine_id=quarantine_id,
            state=state, topics=frozenset(topics or ()),
        )
        for key, family, label, facility, device, first_seen, last_seen, messages, learned, worth,
            quarantine_id, state, topics in connection.execute(_LOAD)
    ]  # fmt: skip


def note(
    connection: psycopg.Connection[Any],
    candidate: CandidateNote,
    messages: Sequence[CandidateMessage],
) -> int:
    """Note a candidate and its newest messages; return how many were let go.

    What people made of it meanwhile is put into the note. What is dismissed has no messages stored.
    """
    row = connection.execute(
        _NOTE,
        {
            "key": _text(candidate.key),
            "family": candidate.family,
            "label": _text(candidate.label),
            "facility": candidate.facility,
            "device": candidate.device,
            "first_seen": candidate.first_seen,
            "last_seen": candidate.last_seen,
            "messages": candidate.messages,
            "learned": Jsonb(candidate.learned.as_json()),
            "worth": candidate.worth,
            "quarantine_id": candidate.quarantine_id,
        },
    ).fetchone()
    if row is None:
        raise AssertionError("a row that was noted has an id")
    candidate_id, candidate.state, topics = row
    candidate.topics = frozenset(topics or ())
    if candidate.state == "dismissed" or not messages:
        return 0
    connection.execute(
        _STORE,
        {
            "id": candidate_id,
            "received_at": [message.received_at for message in messages],
            "topics": [message.topic for message in messages],
            "payloads": [message.payload for message in messages],
        },
    )
    trimmed = connection.execute(
        _TRIM, {"id": candidate_id, "messages": MAX_MESSAGES, "bytes": MAX_BYTES}
    ).fetchone()
    return trimmed[0] if trimmed else 0


def forget(connection: psycopg.Connection[Any], keys: Iterable[str]) -> None:
    """Forget candidates that make room for others; what somebody decided on stays."""
    connection.execute(
        "DELETE FROM device_candidate WHERE key = ANY(%s) AND state = 'open'", (list(keys),)
    )


def forget_silent(connection: psycopg.Connection[Any]) -> list[str]:
    """Forget what was not heard for :data:`FORGOTTEN_AFTER`; return the keys."""
    rows = connection.execute(
        "DELETE FROM device_candidate WHERE last_seen < now() - %s RETURNING key",
        (FORGOTTEN_AFTER,),
    )
    return [key for (key,) in rows]


def newest_refusal(connection: psycopg.Connection[Any]) -> int:
    """Return the id of the newest entry of quarantine, whatever it was refused for; 0: none."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM quarantine").fetchone()
    return 0 if row is None else int(row[0])


def new_refusals(
    connection: psycopg.Connection[Any], after: int, *, limit: int
) -> list[RefusedMessage]:
    """Read what was quarantined after an entry for want of a device or channel, in order."""
    rows = connection.execute(_NEW_ENTRIES, {"after": after, "reasons": _reasons(), "limit": limit})
    return [
        RefusedMessage(
            id=item_id,
            received_at=received_at,
            topic=topic,
            payload=bytes(payload),
            facility=facility,
            device=device,
            unknown_ids=tuple(unknown_ids or ()),
        )
        for item_id, received_at, topic, payload, facility, device, unknown_ids in rows
    ]


def hand_over(connection: psycopg.Connection[Any]) -> int:
    """Have what is stored of adopted candidates replayed as their devices'; return how much.

    Each message becomes an entry of quarantine first, so that all that holds for a replay holds.
    """
    total = 0
    for candidate_id, facility, device, by, topics in connection.execute(_ADOPTED).fetchall():
        parameters = {
            "id": candidate_id,
            "facility": facility,
            "device": device,
            "detail": "heard before its device was adopted",
            "topics": topics or [],
            "reasons": _reasons(),
            "limit": _MAX_ENTRIES,
        }
        connection.execute(_MOVE, parameters)
        ids = [item_id for (item_id,) in connection.execute(_OPEN_ENTRIES, parameters)]
        if ids:
            request_by_ingest(connection, ids, note=f"{device} was adopted by {by}")
        connection.execute(
            "UPDATE device_candidate SET handed_over = coalesce(handed_over, 0) + %s WHERE id = %s",
            (len(ids), candidate_id),
        )
        total += len(ids)
    return total


def _reasons() -> list[str]:
    return [str(reason) for reason in UNREGISTERED]


def _text(text: str) -> str:
    """Return a text as PostgreSQL can hold it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
