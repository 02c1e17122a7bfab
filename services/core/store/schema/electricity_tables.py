"""The part of the schema that is electricity: contracts as they were stated, and certificates."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

electricity_revision = Table(
    "electricity_revision",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("known_at", _instant, primary_key=True, server_default=known_now()),
    Column(
        "spec", JSONB, nullable=False, comment="an empty object where the file states nothing of it"
    ),
    comment="everything that a facility's file ever stated of its electricity",
)

certificate_use = Table(
    "certificate_use",
    metadata,
    Column(
        "certificate",
        Text,
        primary_key=True,
        comment="its number without blanks, in small letters: no other file may name it",
    ),
    Column("facility_id", Integer, ForeignKey("facility.id"), nullable=False),
    Column("since", _instant, nullable=False, server_default=func.now()),
    Index("certificate_use_facility", "facility_id"),
    comment="certificates that facility files name, each of one facility",
)
