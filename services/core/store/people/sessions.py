"""Sessions of people who signed in: begun, recognised and ended. Only digests of tokens are kept.

A session ends when it is signed out of, when nobody uses it for a while, when its time is over
however much it is used, and with the account. A token carries 256 bits of randomness, so that a
plain SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.core.store.audit.record import record
from services.core.store.database.arrays import binary_record
from services.core.store.people import accounts, passwords
from services.core.store.schema.people_tables import (
    api_key_use,
    person,
    person_password,
    person_session,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: Without a use for so long a session ends: a shift with its breaks.
IDLE_S: Final = 12 * 3600
#: However much it is used: once a week somebody signs in.
LIFE_S: Final = 7 * 86_400
#: With roles of a provider, which are asked for anew with each session.
PROVIDED_LIFE_S: Final = 12 * 3600

_STANDS: Final[LiteralString] = (
    "s.ended_at IS NULL AND s.expires_at > now() AND p.disabled_at IS NULL"
    " AND s.used_at > now() - make_interval(secs => %(idle_s)s)"
)
_FIND: Final[LiteralString] = f"""
SELECT s.id, s.person_id, p.name, p.full_name, p.issuer, s.expires_at,
       coalesce(s.roles, (
           SELECT jsonb_agg(jsonb_build_object('role', r.role, 'facilities', r.facilities)
                            ORDER BY r.role)
           FROM person_role r WHERE r.person_id = p.id), '[]') AS roles
FROM person_session s JOIN person p ON p.id = s.person_id
WHERE s.digest = %(digest)s AND {_STANDS}
"""  # noqa: S608 - constants
_WAS_BEGUN: Final[LiteralString] = "SELECT 1 FROM person_session WHERE digest = %(digest)s"
_STANDING: Final[LiteralString] = f"""
SELECT s.id FROM person_session s JOIN person p ON p.id = s.person_id
WHERE s.id = ANY(%(ids)s) AND {_STANDS}
"""  # noqa: S608 - constants

_KNOWN_KEYS: Final = text("SELECT id FROM api_key WHERE id = ANY(:ids)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """Somebody who is signed in."""

    id: int
    person_id: int
    name: str
    full_name: str | None
    issuer: str | None
    expires_at: datetime
    #: each ``{"role": ..., "facilities": [...] or None}``
    roles: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """When something was used last, and from where."""

    used_at: datetime
    address: str


def digest(token: str) -> bytes:
    """Return what is stored in place of ``token``."""
    return hashlib.sha256(token.encode()).digest()


def sign_in(connection: Connection, name: str, password: str, *, address: str) -> str | None:
    """Begin a session and return its token; None: the name or the password is wrong.

    It takes as long for a name that nobody has. Either is in the audit log.
    """
    name = accounts.spelled(name)
    row = connection.execute(
        select(person.c.id, person.c.disabled_at, person_password.c.hash)
        .join(person_password, person_password.c.person_id == person.c.id)
        .where(person.c.name == name)
    ).one_or_none()
    stored = None if row is None or row.disabled_at is not None else row.hash
    if not passwords.is_password(password, stored):
        record(connection, "session.refuse", by=f"person {name}", subject=name)
        return None
    assert row is not None  # noqa: S101 - a password of nobody is wrong
    if passwords.is_outdated(row.hash):
        accounts.keep_password(connection, row.id, passwords.hash_password(password))
    return begin(connection, row.id, name, roles=None, address=address)


def begin(
    connection: Connection,
    person_id: int,
    name: str,
    *,
    roles: Sequence[Mapping[str, Any]] | None,
    address: str,
) -> str:
    """Begin a session of somebody who has shown who they are; return its token.

    ``roles``: for this session alone; None: the account's, as they are at each request.
    """
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(person_session).values(
            person_id=person_id,
            digest=digest(token),
            roles=None if roles is None else list(roles),
            address=address,
            used_at=func.now(),
            expires_at=func.now()
            + func.make_interval(0, 0, 0, 0, 0, 0, LIFE_S if roles is None else PROVIDED_LIFE_S),
        )
    )
    record(
        connection,
        "session.begin",
        by=f"person {name}",
        subject=name,
        after=None if roles is None else {"roles": list(roles)},
    )
    return token


async def find(connection: AsyncConnection, token: str) -> Session | None:
    """Read the session of a token; None: there is none, or it has ended."""
    row = await binary_record(connection, _FIND, {"digest": digest(token), "idle_s": IDLE_S})
    return None if row is None else Session(**row)


async def was_begun(connection: AsyncConnection, token: str) -> bool:
    """Whether a token is of a session, over or not, and so nobody's guess."""
    row = await connection.exec_driver_sql(_WAS_BEGUN, {"digest": digest(token)})
    return row.first() is not None


async def lapsed(connection: AsyncConnection, ids: Collection[int]) -> set[int]:
    """Read which of the sessions ``ids`` have ended."""
    standing = await connection.exec_driver_sql(_STANDING, {"ids": list(ids), "idle_s": IDLE_S})
    return set(ids) - set(standing.scalars())


def end(connection: Connection, session: Session) -> None:
    """Sign out."""
    ended = connection.execute(
        update(person_session)
        .where(person_session.c.id == session.id, person_session.c.ended_at.is_(None))
        .values(ended_at=func.now())
    )
    if ended.rowcount:
        by = f"person {session.name}"
        record(connection, "session.end", by=by, subject=session.name)


def change_password(connection: Connection, session: Session, old: str, new: str) -> bool:
    """Change one's own password; other sessions end. False: the old one is wrong.

    :raises PasswordError: the new one is too short or too long.
    """
    stored = connection.scalar(
        select(person_password.c.hash).where(person_password.c.person_id == session.person_id)
    )
    if not passwords.is_password(old, stored):
        return False
    accounts.keep_password(connection, session.person_id, passwords.hash_password(new))
    connection.execute(
        update(person_session)
        .where(
            person_session.c.person_id == session.person_id,
            person_session.c.id != session.id,
            person_session.c.ended_at.is_(None),
        )
        .values(ended_at=func.now())
    )
    record(connection, "user.password", by=f"person {session.name}", subject=session.name)
    return True


def note_uses(
    connection: Connection, *, keys: Mapping[int, Use], sessions: Mapping[int, Use]
) -> None:
    """Write when keys and sessions were used last."""
    for session_id, use in sessions.items():
        connection.execute(
            update(person_session)
            .where(person_session.c.id == session_id)
            .values(used_at=func.greatest(person_session.c.used_at, use.used_at))
        )
    known = set(connection.scalars(_KNOWN_KEYS, {"ids": list(keys)})) if keys else set()
    for key_id in sorted(known):
        use = keys[key_id]
        row = upsert(api_key_use).values(key_id=key_id, used_at=use.used_at, address=use.address)
        connection.execute(
            row.on_conflict_do_update(
                index_elements=["key_id"],
                set_={
                    "used_at": func.greatest(api_key_use.c.used_at, row.excluded.used_at),
                    "address": row.excluded.address,
                },
            )
        )
