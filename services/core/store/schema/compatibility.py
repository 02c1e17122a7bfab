"""The oldest version of tonne that works on the schema, as the migrations state it.

Every migration since this was recorded has a constant ``compatible_from``: :data:`EXPANDS` if it
only adds what older code does not notice, else the revision of the oldest code that no longer needs
what the migration takes away or changes. What the newest of these revisions is, the database holds:
older code asks for it (:mod:`..database.schema_version`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alembic.script import Script
from sqlalchemy import CheckConstraint, Column, Connection, SmallInteger, Table, Text, text

from services.core.store.schema.tables import metadata

#: What a migration states that only adds.
EXPANDS: Final = None

schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column(
        "compatible_from",
        Text,
        nullable=False,
        comment="revision of the oldest code that works on this schema",
    ),
    CheckConstraint("id = 1", name="single"),
    comment="one row: which older versions of tonne the schema lets work on",
)

_WRITE = text("""
INSERT INTO schema_compatibility (id, compatible_from) VALUES (1, :oldest)
ON CONFLICT (id) DO UPDATE SET compatible_from = excluded.compatible_from
WHERE schema_compatibility.compatible_from <> excluded.compatible_from
""")


def compatible_from(steps: Iterable[Script]) -> str:
    """Return the oldest code that works after these migrations, of which the newest comes first.

    One that states nothing is older than such statements: it takes its own code.
    """
    for step in steps:
        stated: str | None = getattr(step.module, "compatible_from", step.revision)
        if stated is not EXPANDS:
            return stated
    raise LookupError


def write(connection: Connection, steps: Iterable[Script]) -> None:
    """Let the database say which code works on it, now that it has these migrations."""
    connection.execute(_WRITE, {"oldest": compatible_from(steps)})
