"""The part of the schema that is products: what was ever stated of them."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Table
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

product_revision = Table(
    "product_revision",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("known_at", DateTime(timezone=True), primary_key=True, server_default=known_now()),
    Column("spec", JSONB, nullable=False, comment="a list, empty where the file names no product"),
    comment="every list of products that a facility's file ever stated",
)
