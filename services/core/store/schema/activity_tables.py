"""The part of the schema that is imported activities: what bills and the like said."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    func,
)

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

activity_entry = Table(
    "activity_entry",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("id", Text, primary_key=True, comment="number of the bill or entry"),
    Column("channel_id", ForeignKey("channel.id"), nullable=False, index=True),
    Column("first_day", Date, nullable=False, comment="of the facility's time zone"),
    Column("end_day", Date, nullable=False, comment="exclusive"),
    Column("amount", Double, nullable=False, comment="in unit; its readings are a part a day"),
    Column("unit", Text, nullable=False),
    Column("document", Text, comment="where it is shown"),
    Column("imported_at", DateTime(timezone=True), nullable=False, server_default=known_now()),
    Column("imported_by", Text, nullable=False),
    comment="amounts of periods that were imported; rows are only ever added",
)

activity_withdrawal = Table(
    "activity_withdrawal",
    metadata,
    Column("facility_id", Integer, primary_key=True),
    Column("id", Text, primary_key=True, comment="of the entry"),
    Column("withdrawn_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("withdrawn_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(
        ["facility_id", "id"], ["activity_entry.facility_id", "activity_entry.id"]
    ),
    comment="entries that were wrong, and count no more; rows are only ever added",
)
