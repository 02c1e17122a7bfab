"""Accounts: made, listed, given roles and passwords, disabled. Each change is in the audit log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.core.store.audit.actions import Action
from services.core.store.audit.record import record
from services.core.store.people import passwords
from services.core.store.people.roles import ROLES, Role
from services.core.store.schema.cell_tables import cell_facility
from services.core.store.schema.people_tables import (
    person,
    person_password,
    person_role,
    person_session,
)
from services.core.store.schema.tables import facility

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,99}")

_LISTED: Final = text(
    """
SELECT p.id, p.name, p.full_name, p.issuer, p.created_at, p.disabled_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('role', r.role, 'facilities', r.facilities)
                                  ORDER BY r.role)
                 FROM person_role r WHERE r.person_id = p.id), '[]') AS roles,
       (SELECT max(s.used_at) FROM person_session s WHERE s.person_id = p.id) AS used_at
FROM person p WHERE CAST(:name AS text) IS NULL OR p.name = :name ORDER BY p.name
"""
)


class AccountError(ValueError):
    """An account cannot be changed as asked; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Somebody who may sign in."""

    id: int
    name: str
    full_name: str | None
    #: OpenID provider; None: a local account
    issuer: str | None
    created_at: datetime
    disabled_at: datetime | None
    #: each ``{"role": ..., "facilities": [...] or None}``
    roles: list[dict[str, Any]]
    #: last, to a minute
    used_at: datetime | None


def spelled(name: str) -> str:
    """Return a name as it is stored: in lower case, without spaces around it."""
    return name.strip().lower()


def create(
    connection: Connection,
    name: str,
    *,
    full_name: str | None,
    password: str,
    role: Role,
    facilities: Sequence[str] | None,
    by: str,
) -> None:
    """Make a local account with a role.

    :raises AccountError: the name is taken or cannot be one, or a role or facility is unknown.
    :raises PasswordError: the password is too short or too long.
    """
    name = spelled(name)
    if _NAME.fullmatch(name) is None:
        raise AccountError(
            "a name has letters of a to z, digits and . _ @ -, such as anna or anna@example.org"
        )
    stored = passwords.hash_password(password)
    person_id = connection.scalar(
        upsert(person)
        .values(name=name, full_name=full_name)
        .on_conflict_do_nothing()
        .returning(person.c.id)
    )
    if person_id is None:
        raise AccountError(
            f"there is an account {name} already; `tonne users enable {name}` lets a disabled one"
            " in again"
        )
    connection.execute(insert(person_password).values(person_id=person_id, hash=stored))
    record(connection, "user.create", by=by, subject=name, after={"full_name": full_name})
    give_role(connection, name, role, facilities, by=by)


def accounts(connection: Connection, name: str | None = None) -> list[Account]:
    """Read all accounts by name, or the one with ``name``."""
    rows = connection.execute(_LISTED, {"name": None if name is None else spelled(name)})
    return [Account(**row) for row in rows.mappings()]


def give_role(
    connection: Connection,
    name: str,
    role: Role,
    facilities: Sequence[str] | None,
    *,
    by: str,
) -> None:
    """Give a role in ``facilities`` (None: all), in place of those that it was given in before.

    :raises AccountError: there is no such account, role or facility.
    """
    account = _one(connection, name)
    if account.issuer is not None:
        raise AccountError(
            f"{account.name} has roles by groups at {account.issuer}; change TONNE_OIDC_ROLES, or"
            " the groups there"
        )
    if role not in ROLES:
        raise AccountError(f"roles are {', '.join(ROLES)}; got {role}")
    slugs = None if facilities is None else sorted(set(facilities))
    if slugs is not None:
        # those of other cells too
        known = {
            slug
            for table in (facility, cell_facility)
            for slug in connection.scalars(select(table.c.slug).where(table.c.slug.in_(slugs)))
        }
        missing = sorted(set(slugs) - known)
        if missing or not slugs:
            raise AccountError(
                f"no such facility: {', '.join(missing) or '(none named)'}; apply it first"
            )
    connection.execute(
        upsert(person_role)
        .values(person_id=account.id, role=role, facilities=slugs)
        .on_conflict_do_update(index_elements=["person_id", "role"], set_={"facilities": slugs})
    )
    _record_roles(connection, account, by)


def take_role(connection: Connection, name: str, role: Role, *, by: str) -> None:
    """Take a role away everywhere.

    :raises AccountError: there is no such account, or it has not the role.
    """
    account = _one(connection, name)
    gone = connection.execute(
        delete(person_role).where(person_role.c.person_id == account.id, person_role.c.role == role)
    )
    if gone.rowcount == 0:
        raise AccountError(
            f"{account.name} has not the role {role}; `tonne users list` shows roles"
        )
    _record_roles(connection, account, by)


def disable(connection: Connection, name: str, *, by: str) -> None:
    """Let somebody in no more: their sessions and keys end at once.

    :raises AccountError: there is no such account.
    """
    account = _one(connection, name)
    if account.disabled_at is None:
        connection.execute(
            update(person).where(person.c.id == account.id).values(disabled_at=func.now())
        )
        _end_sessions(connection, account.id)
        record(connection, "user.disable", by=by, subject=account.name)


def enable(connection: Connection, name: str, *, by: str) -> None:
    """Let somebody in again.

    :raises AccountError: there is no such account.
    """
    account = _one(connection, name)
    if account.disabled_at is not None:
        connection.execute(update(person).where(person.c.id == account.id).values(disabled_at=None))
        record(connection, "user.enable", by=by, subject=account.name)


def set_password(connection: Connection, name: str, password: str, *, by: str) -> None:
    """Set a password as an administrator does; every session of the account ends.

    :raises AccountError: there is no such local account.
    :raises PasswordError: the password is too short or too long.
    """
    account = _one(connection, name)
    if account.issuer is not None:
        raise AccountError(f"{account.name} signs in at {account.issuer}, which has the password")
    keep_password(connection, account.id, passwords.hash_password(password))
    _end_sessions(connection, account.id)
    record(connection, "user.password", by=by, subject=account.name)


def keep_password(connection: Connection, person_id: int, stored: str) -> None:
    """Store what :func:`passwords.hash_password` returned."""
    connection.execute(
        update(person_password)
        .where(person_password.c.person_id == person_id)
        .values(hash=stored, changed_at=func.now())
    )


def _one(connection: Connection, name: str) -> Account:
    named = accounts(connection, name)
    if not named:
        raise AccountError(f"there is no account {spelled(name)}; `tonne users list` shows all")
    return named[0]


def _record_roles(connection: Connection, before: Account, by: str) -> None:
    after = _one(connection, before.name)
    if after.roles != before.roles:
        action: Action = "user.role"
        record(
            connection,
            action,
            by=by,
            subject=before.name,
            before={"roles": before.roles},
            after={"roles": after.roles},
        )


def _end_sessions(connection: Connection, person_id: int) -> None:
    connection.execute(
        update(person_session)
        .where(person_session.c.person_id == person_id, person_session.c.ended_at.is_(None))
        .values(ended_at=func.now())
    )
