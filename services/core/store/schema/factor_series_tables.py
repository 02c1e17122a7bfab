"""The part of the schema that is factors by the hour."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

factor_series = Table(
    "factor_series",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("facility_id", ForeignKey("facility.id"), comment="null: for every facility"),
    Column("slug", Text, nullable=False, comment="the factor's"),
    Column("unit", Text, nullable=False, comment="values are per this unit of activity"),
    UniqueConstraint("facility_id", "slug", postgresql_nulls_not_distinct=True),
    comment="every factor by the hour that was ever stated",
)

factor_value = Table(
    "factor_value",
    metadata,
    # ordered by falling width so that no byte is lost to alignment
    Column("hour", _instant, nullable=False, comment="its first instant"),
    Column("recorded_at", _instant, nullable=False, comment="since when tonne knows it"),
    Column(
        "known_at",
        _instant,
        nullable=False,
        comment="since when it could be known, as its publisher says; the latest holds",
    ),
    Column("co2_kg", Double, comment="per unit, CO2 and CO2e; null: withdrawn"),
    # no foreign key, which would be looked up for each of half a million values
    Column("series_id", Integer, nullable=False, comment="a factor_series"),
    PrimaryKeyConstraint("series_id", "hour", "recorded_at", "known_at"),
    comment="values of factors by the hour; rows are only ever added",
)

factor_inbox = Table(
    "factor_inbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("series_id", ForeignKey("factor_series.id"), nullable=False),
    Column("hours", ARRAY(Integer), nullable=False, comment="since the epoch"),
    Column("co2_kg", ARRAY(Double), nullable=False, comment="of each hour; NaN: withdrawn"),
    Column("known_at", ARRAY(_instant), nullable=False, comment="of each hour"),
    comment="values that were published and are not taken yet; the aggregator empties it",
)
