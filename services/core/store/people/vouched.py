"""People whom an OpenID provider vouches for: known by issuer and subject, never by their name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
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
    row = connection.execute(
        select(person.c.id, person.c.name, person.c.disabled_at).where(
            person.c.issuer == issuer, person.c.provider_subject == subject
        )
    ).one_or_none()
    if row is None:
        person_id, name = _record_person(connection, issuer, subject, wanted_name, full_name)
    elif row.disabled_at is not None:
        refuse(connection, row.name, "the account is disabled; `tonne users enable` lets it in")
        return None
    else:
        person_id, name = row.id, row.name
    return sessions.begin(connection, person_id, name, roles=roles, address=address)


def refuse(connection: Connection, name: str, reason: str) -> None:
    """Record that somebody who came from the provider was not let in."""
    named = _spelled(name)
    record(
        connection, "session.refuse", by=f"person {named}", subject=named, reason=storable(reason)
    )


def _record_person(
    connection: Connection, issuer: str, subject: str, wanted_name: str, full_name: str | None
) -> tuple[int, str]:
    """Record somebody. A name that is taken is never shared: it would be taken for the other's."""
    wanted = _spelled(wanted_name)
    full_name = None if full_name is None else storable(full_name)
    digest = hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()
    for name in (wanted, f"{wanted}-{digest[:8]}"):
        person_id = connection.scalar(
            insert(person)
            .values(name=name, full_name=full_name, issuer=issuer, provider_subject=subject)
            .on_conflict_do_nothing(index_elements=["name"])
            .returning(person.c.id)
        )
        if person_id is not None:
            after = {"full_name": full_name, "issuer": issuer}
            record(connection, "user.create", by=f"person {name}", subject=name, after=after)
            return person_id, name
    raise RuntimeError(f"two names are taken for a subject of {issuer}")


def _spelled(name: str) -> str:
    """Return a name as accounts are spelled."""
    return _FOREIGN.sub("-", name.lower()).strip("-._@")[:_LONGEST] or "somebody"
