"""The part of the schema that is Sparkplug B: what births explain."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.tables import metadata

sparkplug_birth = Table(
    "sparkplug_birth",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("edge_node", Text, primary_key=True),
    Column("device", Text, primary_key=True, comment="empty: the edge node itself"),
    Column("bd_seq", BigInteger, comment="birth-death sequence number of an edge node"),
    Column("born_at", DateTime(timezone=True), nullable=False),
    Column("metrics", JSONB, nullable=False, comment="[name, type, alias, unit] of each metric"),
    comment="newest birth of each edge node and device of Sparkplug B",
)
