"""Candidates as people see them, and what they decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, literal, or_, select, update

from services.core.facility.discovery.learning import Learned
from services.core.facility.discovery.recognised import KNOWN_AS
from services.core.store.audit.record import record
from services.core.store.candidates.notes import UNREGISTERED
from services.core.store.schema.candidate_tables import candidate_message, device_candidate
from services.core.store.schema.tables import quarantine


class NoSuchCandidateError(LookupError):
    """There is no open candidate of that id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A device that is heard and in no facility file."""

    id: int
    key: str
    family: str
    label: str
    #: whose topics it uses; None: topics of its own
    facility: str | None
    device: str | None
    first_seen: datetime
    last_seen: datetime
    messages: int
    #: messages that are stored, to be replayed
    stored: int
    let_go: int
    learned: Learned
    state: str
    settled_at: datetime | None
    settled_by: str | None
    #: messages that became replays when it was adopted; None: not yet
    handed_over: int | None


_COLUMNS: Final = (
    "id", "key", "family", "label", "facility", "device", "first_seen", "last_seen", "messages",
    "let_go", "learned", "state", "settled_at", "settled_by", "handed_over",
)  # fmt: skip


def listed(
    *,
    limit: int,
    states: tuple[str, ...] = ("open",),
    facilities: tuple[str, ...] | None = None,
    foreign: bool = True,
    before: tuple[int, datetime, int] | None = None,
) -> Select[Any]:
    """Select candidates, those that count first, then those heard last; as :func:`candidate` reads.

    ``facilities``: those whose topics are used; None: all. ``foreign``: also candidates with topics
    of their own. ``before``: worth, last_seen and id of the row before.
    """
    c = device_candidate.c
    statement = _select().where(c.state.in_(states))
    if facilities is not None:
        named = c.facility.in_(facilities)
        statement = statement.where(or_(c.facility.is_(None), named) if foreign else named)
    if before is not None:
        place = func.row(c.worth, c.last_seen, c.id)
        statement = statement.where(place < func.row(*map(literal, before)))
    return statement.order_by(c.worth.desc(), c.last_seen.desc(), c.id.desc()).limit(limit)


def by_id(candidate_id: int) -> Select[Any]:
    """Select one candidate, whatever became of it."""
    return _select().where(device_candidate.c.id == candidate_id)


def candidate(row: Row[Any]) -> Candidate:
    """Return a row of either statement as a record."""
    values = {name: getattr(row, name) for name in (*_COLUMNS, "stored")}
    return Candidate(**{**values, "learned": Learned.from_json(values["learned"])})


def adopt(
    connection: Connection,
    candidate_id: int,
    *,
    facility: str,
    device: str,
    topics: Iterable[str],
    by: str,
) -> None:
    """Say in the transaction of the facility's file what a candidate became.

    ``topics``: those that its channels are of; none for messages in tonne's own format. Ingest
    replays what is stored of it: see :func:`.notes.hand_over`.

    :raises NoSuchCandidateError: it is gone, adopted or dismissed.
    """
    _settle(
        connection,
        candidate_id,
        "adopted",
        by,
        facility=facility,
        device=device,
        topics=sorted(topics),
    )
    record(
        connection,
        "device.adopt",
        by=by,
        facility=facility,
        subject=candidate_id,
        after={"facility": facility, "device": device},
    )


def replayable(connection: Connection, one: Candidate, topics: Iterable[str]) -> int:
    """Count what is stored of a candidate at some topics, or of its device in quarantine."""
    m, q = candidate_message.c, quarantine.c
    if one.facility is not None:
        known = one.learned.recognised
        is_its = (
            q.device == one.device
            if known is None
            else q.unknown_ids.contains([known.names[KNOWN_AS]])
        )
        statement = select(func.count()).where(
            q.state == "open",
            q.facility == one.facility,
            is_its,
            q.reason.in_([str(reason) for reason in UNREGISTERED]),
        )
    else:
        names = list(topics)
        heard = select(func.count()).where(m.candidate_id == one.id, m.topic.in_(names))
        # a station that a door knows by its number waits there for a file that names it
        waiting = select(func.count()).where(
            q.state == "open",
            q.facility.is_(None),
            q.topic.in_(names),
            q.reason.in_([str(reason) for reason in UNREGISTERED]),
        )
        statement = select(heard.scalar_subquery() + waiting.scalar_subquery())
    return connection.scalar(statement) or 0


def dismiss(connection: Connection, candidate_id: int, *, by: str) -> None:
    """Let a candidate be none of anybody's concern; what was stored of it goes.

    :raises NoSuchCandidateError: it is gone, adopted or dismissed.
    """
    key = _settle(connection, candidate_id, "dismissed", by)
    connection.execute(
        delete(candidate_message).where(candidate_message.c.candidate_id == candidate_id)
    )
    record(connection, "device.dismiss", by=by, subject=candidate_id, before={"key": key})


def _settle(connection: Connection, candidate_id: int, state: str, by: str, **values: Any) -> str:
    c = device_candidate.c
    key = connection.scalar(
        update(device_candidate)
        .where(c.id == candidate_id, c.state == "open")
        .values(state=state, settled_at=func.now(), settled_by=by, **values)
        .returning(c.key)
    )
    if key is None:
        raise NoSuchCandidateError(no_such(candidate_id))
    return str(key)


def no_such(candidate_id: int) -> str:
    """Say that there is no open candidate of an id."""
    return (
        f"there is no candidate {candidate_id} to adopt or dismiss; `tonne devices discover` and"
        " GET /v1/devices/candidates list those there are"
    )


def _select() -> Select[Any]:
    stored = (
        select(func.count())
        .where(candidate_message.c.candidate_id == device_candidate.c.id)
        .scalar_subquery()
    )
    columns = [device_candidate.c[name] for name in _COLUMNS]
    return select(*columns, device_candidate.c.worth, stored.label("stored"))
