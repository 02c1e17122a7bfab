"""API keys: made, listed, revoked and found; only their digest is stored.

A key carries 256 bits of randomness, so a plain SHA-256 is enough: there is nothing to guess, and
slow hashing would only slow every request down.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString, get_args

import psycopg
from psycopg.rows import dict_row

from services.core.store.audit.record import record
from services.core.store.database.arrays import binary_row

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

Scope = Literal["read", "send", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_PREFIX = "tonne_"

_COLUMNS: Final[LiteralString] = (
    "id, name, scopes, facilities, created_at, expires_at, revoked_at, person_id"
)
_IN_FORCE: Final[LiteralString] = (
    "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"
    " AND NOT EXISTS (SELECT FROM person p WHERE p.id = person_id AND p.disabled_at IS NOT NULL)"
)
_FIND: Final[LiteralString] = (
    f"SELECT {_COLUMNS} FROM api_key WHERE digest = %(digest)s AND {_IN_FORCE}"  # noqa: S608 - constants
)

_STANDING: Final[LiteralString] = f"SELECT id FROM api_key WHERE id = ANY(%(ids)s) AND {_IN_FORCE}"  # noqa: S608 - constants


_OWNER: Final[LiteralString] = "SELECT id FROM person WHERE name = %s AND disabled_at IS NULL"

_LISTED: Final[LiteralString] = f"""
SELECT {", ".join(f"k.{name}" for name in _COLUMNS.split(", "))},
       p.name AS owner, u.used_at, u.address
FROM api_key k LEFT JOIN person p ON p.id = k.person_id
LEFT JOIN api_key_use u ON u.key_id = k.id
ORDER BY k.id
"""  # noqa: S608 - constants


class KeyRequestError(ValueError):
    """A key cannot be made or revoked as asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """What is stored of a key."""

    id: int
    name: str
    scopes: tuple[str, ...]
    #: facility slugs; None: all
    facilities: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    #: None: a machine's
    person_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedKey(ApiKey):
    """A key, whose it is, and when it was used last."""

    #: name of the person; None: a machine's
    owner: str | None
    #: last, to a minute; None: never
    used_at: datetime | None
    #: from where it was used last
    address: str | None


def digest(key: str) -> bytes:
    """Return what is stored in place of ``key``."""
    return hashlib.sha256(key.encode()).digest()


def create(
    connection: psycopg.Connection[Any],
    *,
    name: str,
    scopes: Sequence[str] = ("read",),
    facilities: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    owner: str | None = None,
    by: str | None = None,
) -> str:
    """Store a new key and return it; it cannot be read again.

    ``owner``: name of the person whose it is, and with whom it ends; None: a machine's.

    :raises KeyRequestError: an unknown scope, facility or owner, or an expiry without time zone.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise KeyRequestError(f"scopes are {', '.join(SCOPES)}; got {', '.join(unknown) or 'none'}")
    if expires_at is not None and expires_at.tzinfo is None:
        raise KeyRequestError("the expiry needs a time zone, as in 2027-01-01T00:00:00Z")
    key = _PREFIX + secrets.token_urlsafe(32)
    with connection.transaction():
        if facilities is not None:
            known = connection.execute(
                "SELECT slug FROM facility WHERE slug = ANY(%(slugs)s) UNION"
                " SELECT slug FROM cell_facility WHERE slug = ANY(%(slugs)s)",
                {"slugs": list(facilities)},
            ).fetchall()
            missing = sorted(set(facilities) - {str(row[0]) for row in known})
            if missing or not facilities:
                raise KeyRequestError(
                    f"no such facility: {', '.join(missing) or '(none named)'}; apply it first"
                )
        stored = {
            "name": name,
            "scopes": sorted(set(scopes)),
            "facilities": None if facilities is None else sorted(set(facilities)),
            "expires_at": expires_at,
            "owner": owner,
        }
        row = connection.execute(
            "INSERT INTO api_key (name, digest, scopes, facilities, expires_at, person_id) VALUES"
            " (%(name)s, %(digest)s, %(scopes)s, %(facilities)s, %(expires_at)s, %(person)s)"
            " RETURNING id",
            {**stored, "digest": digest(key), "person": _person_id(connection, owner)},
        ).fetchone()
        assert row is not None  # noqa: S101 - an inserted row
        record(connection, "key.create", by=by, subject=row[0], after=stored)
    return key


def list_keys(connection: psycopg.Connection[Any]) -> list[ListedKey]:
    """Read every key ever made, oldest first, without its digest."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_LISTED)
        return [ListedKey(**_record(row)) for row in cursor]


def _person_id(connection: psycopg.Connection[Any], owner: str | None) -> int | None:
    if owner is None:
        return None
    row = connection.execute(_OWNER, (owner.strip().lower(),)).fetchone()
    if row is None:
        raise KeyRequestError(f"there is no account {owner}; `tonne users list` shows all")
    return int(row[0])


def revoke(connection: psycopg.Connection[Any], key_id: int, *, by: str | None = None) -> None:
    """Make a key worthless from now on; revoking it again changes nothing.

    :raises KeyRequestError: there is no such key.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT name, revoked_at FROM api_key WHERE id = %s FOR UPDATE", (key_id,)
        ).fetchone()
        if row is None:
            raise KeyRequestError(f"there is no key {key_id}; `tonne keys list` shows all")
        name, revoked_at = row
        if revoked_at is None:
            connection.execute("UPDATE api_key SET revoked_at = now() WHERE id = %s", (key_id,))
            record(connection, "key.revoke", by=by, subject=key_id, before={"name": name})


async def find(connection: AsyncConnection, key: str) -> ApiKey | None:
    """Read a key that is in force; None if it is unknown, expired or revoked."""
    row = await binary_row(connection, _FIND, {"digest": digest(key)})
    return ApiKey(**_record(dict(zip(_COLUMNS.split(", "), row, strict=True)))) if row else None


async def lapsed(connection: AsyncConnection, ids: Collection[int]) -> set[int]:
    """Read which of the keys ``ids`` are no longer in force."""
    standing = await connection.exec_driver_sql(_STANDING, {"ids": list(ids)})
    return set(ids) - set(standing.scalars())


def _record(row: dict[str, Any]) -> dict[str, Any]:
    facilities = row["facilities"]
    return {
        **row,
        "facilities": None if facilities is None else tuple(facilities),
        "scopes": tuple(row["scopes"]),
    }
