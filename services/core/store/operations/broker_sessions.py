"""What is known of ingest's session with an MQTT broker: its client id, and what it listens to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

#: The session whose client id nobody chose.
DEFAULT: Final = "tonne-ingest"

_SECRET_BYTES: Final = 12

#: Two that start at once agree on the one that came first.
_OPEN: Final = """
INSERT INTO broker_session (name, client_id, filters) VALUES (%s, %s, '{}')
ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING client_id, filters
"""

_KEEP: Final = "UPDATE broker_session SET filters = %s WHERE name = %s"


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerSession:
    """A session with the broker."""

    name: str
    #: whoever knows it can take the session over
    client_id: str = field(repr=False)
    #: topic filters that the broker's session may hold; None: it is from before they were noted
    filters: frozenset[str] | None

    @property
    def is_known(self) -> bool:
        """Whether its client id is the one that databases had before ids were secret."""
        return self.client_id == DEFAULT


def open_session(connection: psycopg.Connection[Any], client_id: str | None) -> BrokerSession:
    """Open the session of this client id, new or known; None: of an id that is secret."""
    wanted = client_id or f"{DEFAULT}-{secrets.token_hex(_SECRET_BYTES)}"
    key = f"id {client_id}" if client_id else DEFAULT
    row = connection.execute(_OPEN, (key, wanted)).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    return BrokerSession(
        name=key, client_id=row[0], filters=None if row[1] is None else frozenset(row[1])
    )


def keep_filters(connection: psycopg.Connection[Any], name: str, filters: frozenset[str]) -> None:
    """Note what the session may hold, before it does."""
    connection.execute(_KEEP, (sorted(filters), name))
