"""Write an entry of the audit log, in the transaction of what it is about."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from sqlalchemy import Connection

from services.core.store.audit.actions import Action

#: Time, login and address are the database's to say (``services.core.store.schema.audit_tables``).
_INSERT: Final = """
INSERT INTO audit_entry (made_by, action, facility, subject, before, after, reason)
VALUES (%(by)s, %(action)s, %(facility)s, %(subject)s, %(before)s::jsonb, %(after)s::jsonb,
        %(reason)s)
"""

_ADDRESS_OF_SESSION: Final = "SELECT set_config('tonne.address', %s, false)"
_ADDRESS: Final = "SELECT set_config('tonne.address', %s, true)"


def record(
    connection: Connection | psycopg.Connection[Any],
    action: Action,
    *,
    by: str | None,
    subject: object = "",
    facility: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Say who did what; it is lost with the transaction if that is rolled back.

    ``by``: None is the login. ``facility``: the slug of the only one that it concerns; None: all.
    Nothing secret may be in ``before`` and ``after``.
    """
    values = {
        "by": by,
        "action": action,
        "facility": facility,
        "subject": str(subject),
        "before": None if before is None else json.dumps(before, default=str),
        "after": None if after is None else json.dumps(after, default=str),
        "reason": reason,
    }
    if isinstance(connection, Connection):
        connection.exec_driver_sql(_INSERT, values)
    else:
        connection.execute(_INSERT, values)


def come_from(connection: Connection | psycopg.Connection[Any], address: str | None) -> None:
    """Say where the request comes from that the transaction serves; None: the connection tells."""
    if address is None:
        return
    if isinstance(connection, Connection):
        connection.exec_driver_sql(_ADDRESS, (address,))
    else:
        connection.execute(_ADDRESS, (address,))


def come_from_now_on(connection: psycopg.Connection[Any], address: str | None) -> None:
    """As :func:`come_from`, of every transaction of a connection that serves one request alone."""
    if address is not None:
        connection.execute(_ADDRESS_OF_SESSION, (address,))


def state_of_text(text: str | None) -> dict[str, Any]:
    """Describe a text by its digest, so that a copy of it can be recognised."""
    return {"sha256": None if text is None else hashlib.sha256(text.encode()).hexdigest()}


def difference(before: str | None, after: str) -> str:
    """Return what changed of a text, as a unified diff; the first text is all new."""
    lines = difflib.unified_diff(
        (before or "").splitlines(), after.splitlines(), "before", "after", lineterm=""
    )
    return "\n".join(lines)
