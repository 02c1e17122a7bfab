"""The part of the schema that is answers to readings that came by HTTP with a key of their own."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, LargeBinary, SmallInteger, Table, Text, func

from services.core.store.schema.tables import metadata

sent_readings = Table(
    "sent_readings",
    metadata,
    Column("sender", Text, primary_key=True, comment="whose key or account"),
    Column("key", Text, primary_key=True, comment="Idempotency-Key"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of what was sent"),
    Column("status", SmallInteger, comment="null: not answered yet"),
    Column("answer", LargeBinary, comment="JSON; null: not answered yet"),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("sent_readings_made_at_idx", "made_at"),
)
