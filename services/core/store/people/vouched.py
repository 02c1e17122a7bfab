"""People whom an OpenID provider vouches for: known by issuer and subject, never by their name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from services.core.runtime.storable import storable
from services.core.store.audit.record import record
from services.core.store.people import sessions
from services.core.store.schema.people_tables import person

_FOREIGN: Final = re.compile(r"[^a-z0-9._@-]+")
#: Characters that are taken of the provider's name for somebody.
_LONGEST: Final = 80


def sign_in(
    connection: Connection,
    *,
    issuer: str,
    subject: str,
    wanted_name: str,
    full_name: str | None,
    roles: Sequence[Mapping[str, Any]],
    address: str,
) -> str | None:
    """Begin a session of somebody with ``roles`` and return its token; None: disabled here.

    Who comes for the first time is recorded as ``wanted_name``, or as something like it where
    another account has that. Roles hold as long as the session.
    """
    row = _find(connection, issuer, subject)
    if row is None:
        _record_person(connection, issuer, subject, wanted_name, full_name)
        row = _find(connection, issuer, subject)
    if row is None:
        raise RuntimeError(f"every name for a subject of {issuer} is taken")
    person_id, name, disabled_at = row
    if disabled_at is not None:
        refuse(connection, name, "the account is disabled; `tonne users enable` lets it in")
        return None
    return sessions.begin(connection, person_id, name, roles=roles, address=address)


def refuse(connection: Connection, name: str, reason: str) -> None:
    """Record that somebody who came from the provider was not let in."""
    named = _spelled(name)
    record(
        connection, "session.refuse", by=f"person {named}", subject=named, reason=storable(reason)
    )


def _find(
    connection: Connection, issuer: str, subject: str
) -> tuple[int, str, datetime | None] | None:
    row = connection.execute(
        select(person.c.id, person.c.name, person.c.disabled_at).where(
            person.c.issuer == issuer, person.c.provider_subject == subject
        )
    ).one_or_none()
    return None if row is None else (row.id, row.name, row.disabled_at)


def _record_person(
    connection: Connection, issuer: str, subject: str, wanted_name: str, full_name: str | None
) -> None:
    """Record somebody, unless another request does at this moment.

    A name that is taken is never shared: what one does would be taken for the other's.
    """
    wanted = _spelled(wanted_name)
    full_name = None if full_name is None else storable(full_name)
    digest = hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()
    for name in (wanted, f"{wanted}-{digest[:8]}", f"{wanted}-{digest[:16]}"):
        person_id = connection.scalar(
            insert(person)
            .values(name=name, full_name=full_name, issuer=issuer, provider_subject=subject)
            .on_conflict_do_nothing()
            .returning(person.c.id)
        )
        if person_id is not None:
            after = {"full_name": full_name, "issuer": issuer}
            record(connection, "user.create", by=f"person {name}", subject=name, after=after)
            return


def _spelled(name: str) -> str:
    """Return a name as accounts are spelled."""
    return _FOREIGN.sub("-", name.lower()).strip("-._@")[:_LONGEST] or "somebody"
