"""Passwords of the roles that processes log in as, each in a file that PostgreSQL's clients read.

Whoever may read a role's file may log in as it, so each process is given its own alone.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sqlalchemy import Connection, text

from services.core.store.database.connect import driver_connection
from services.core.store.schema.ddl import LOGINS

#: Roles that copy the cluster: they need a right that only a superuser can give.
_REPLICATING = frozenset({"tonne_backup"})

#: What a role may do that is more than its own rights in a database.
_MORE = """
SELECT name FROM pg_roles, LATERAL (VALUES
    ('SUPERUSER', rolsuper), ('CREATEDB', rolcreatedb), ('CREATEROLE', rolcreaterole),
    ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)) AS may (name, granted)
WHERE rolname = :role AND granted
"""


class LoginError(RuntimeError):
    """The files of passwords cannot be written or read; the message says what to do."""


def password_file(directory: Path, role: str) -> Path:
    """Return the file of a role's password, as ``PGPASSFILE`` and ``passfile`` take it."""
    return directory / role / "pgpass"


def password_of(directory: Path, role: str) -> str:
    """Return the role's password; made, and readable for its owner alone, where there is none.

    :raises LoginError: the file cannot be read or written, or is not one of these.
    """
    file = password_file(directory, role)
    prefix = f"*:*:*:{role}:"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            made = file.with_name(f"pgpass.{os.getpid()}")
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as new:
                new.write(f"{prefix}{secrets.token_urlsafe(24)}\n")
            made.replace(file)
        line = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise LoginError(
            f"{file} cannot be used ({error.strerror}); name a directory that can be written"
        ) from None
    if not line.startswith(prefix) or len(line) == len(prefix):
        raise LoginError(f"{file} is not one line {prefix}PASSWORD; delete it and migrate again")
    return line.removeprefix(prefix)


def password_statement(role: str, password: str) -> str:
    """Return the statement that gives a role a password of :func:`password_of`."""
    return f"ALTER ROLE {role} PASSWORD '{password}'"


def let_in(connection: Connection, directory: Path) -> None:
    """Let every role of a process log in with its password, and with no more rights than its own.

    :raises LoginError: as :func:`password_of`.
    """
    raw = driver_connection(connection)
    is_superuser = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = user"))
    for role in LOGINS:
        # hashed here, so that the password is in no statement and in no log of the server
        verifier = raw.pgconn.encrypt_password(
            password_of(directory, role).encode(), role.encode(), b"scram-sha-256"
        )
        # a login that may not give such rights may not name them either
        more = set(connection.execute(text(_MORE), {"role": role}).scalars())
        less = " ".join(f"NO{right}" for right in sorted(more))
        if role in _REPLICATING:
            less = less.replace("NOREPLICATION", "")
            if "REPLICATION" not in more and is_superuser:
                less += " REPLICATION"
        connection.execute(
            text(
                f"ALTER ROLE {role} LOGIN {less} PASSWORD '{verifier.decode()}'".replace(":", "\\:")
            )
        )
