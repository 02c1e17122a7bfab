"""The part of the schema that is organisations: what was stated of them, and their base years."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

organisation = Table(
    "organisation",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    comment="facilities under one path",
)

organisation_revision = Table(
    "organisation_revision",
    metadata,
    Column("organisation_id", ForeignKey("organisation.id"), primary_key=True),
    Column("known_at", _instant, primary_key=True, server_default=known_now()),
    Column("spec", JSONB, nullable=False, comment="the whole file"),
    comment="every file that an organisation ever had",
)

organisation_base_figure = Table(
    "organisation_base_figure",
    metadata,
    Column("organisation_id", ForeignKey("organisation.id"), primary_key=True),
    Column("scope", SmallInteger, primary_key=True),
    Column("figure", Text, primary_key=True, comment="co2, co2e or market"),
    Column("year", SmallInteger, primary_key=True),
    Column("known_at", _instant, primary_key=True, server_default=known_now()),
    Column("ug", Numeric, nullable=False, comment="what was known of the year then"),
    Column("facilities", ARRAY(Text), nullable=False, comment="ids of those that it is the sum of"),
    Column("cause", Text, nullable=False, comment="why it replaced the one before"),
    comment="every figure of a base year of an organisation; rows are only ever added",
)
