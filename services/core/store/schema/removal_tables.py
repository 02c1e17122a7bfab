"""The part of the schema that is stated removals and credits: nothing measured is in it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

removal_revision = Table(
    "removal_revision",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("known_at", DateTime(timezone=True), primary_key=True, server_default=known_now()),
    Column("spec", JSONB, nullable=False, comment="removals and credits, each a list"),
    comment="all that a facility's file ever stated of removals and credits",
)

credit_unit = Table(
    "credit_unit",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("slug", Text, primary_key=True),
    Column("registry", Text, nullable=False, comment="as it is compared"),
    Column("serial", Text, nullable=False, comment="as it is compared"),
    Column("first", BigInteger, nullable=False, comment="number of the first unit"),
    Column("last", BigInteger, nullable=False, comment="number of the last unit"),
    comment="units of credits that are in force, of which no two facilities have the same",
)
Index(
    "credit_unit_registry_serial_first_idx",
    credit_unit.c.registry,
    credit_unit.c.serial,
    credit_unit.c.first,
    unique=True,
)
