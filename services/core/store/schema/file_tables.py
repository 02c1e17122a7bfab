"""The part of the schema that is facility files: every text that ever came into force."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

facility_version = Table(
    "facility_version",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="from 1 on"),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=known_now()),
    Column("applied_by", Text, comment="null: it was applied before this was recorded"),
    Column("sha256", Text, nullable=False, comment="of the text, in hexadecimal"),
    Column("file", Text, nullable=False, comment="the text as it was applied, with comments"),
    Column("changes", JSONB, nullable=False, comment="a list of lines; none: comments alone"),
    comment="every text of a facility's file that came into force; rows are only ever added",
)
