"""The part of the schema that is paths to net zero: what was stated of them, and base years."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Numeric, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

pathway_revision = Table(
    "pathway_revision",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("known_at", _instant, primary_key=True, server_default=known_now()),
    Column("spec", JSONB, nullable=False, comment="a list, empty where the file states no path"),
    comment="every path that a facility's file ever stated",
)

base_year_figure = Table(
    "base_year_figure",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("scope", SmallInteger, primary_key=True),
    Column("figure", Text, primary_key=True, comment="co2, co2e or market"),
    Column("year", SmallInteger, primary_key=True),
    Column("known_at", _instant, primary_key=True, server_default=known_now()),
    Column("ug", Numeric, nullable=False, comment="what was known of the year then"),
    Column("cause", Text, nullable=False, comment="why it replaced the one before"),
    comment="every figure of a base year that a path was computed from; rows are only ever added",
)
