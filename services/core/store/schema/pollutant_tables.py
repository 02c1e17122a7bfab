"""The part of the schema that is about a stack's pollutants beside CO2.

What is stored is the mean of an averaging interval: those of days and months, and whether limits
are kept, follow from it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)


def _figures() -> list[Column[Any]]:
    return [
        Column("minutes", SmallInteger, nullable=False, comment="length of the interval"),
        Column("valid", Boolean, nullable=False),
        Column("verdict", Text, nullable=False, comment="code of the validity policy"),
        Column("reason", Text, nullable=False, comment="why it is valid, or not"),
        Column("covered_ms", Integer, nullable=False, comment="of the time of operation"),
        Column("operating_ms", Integer, nullable=False, comment="0: the unit did not operate"),
        Column("inputs", JSONB, nullable=False, comment="means that entered, by what they are"),
        Column("unit", Text, nullable=False, comment="of the concentration's mean"),
        Column("dry_mg_m3", Double, comment="mg/Nm3, dry, at the oxygen that there was"),
        Column("factor", Double, comment="that leads to the reference oxygen"),
        Column("mean_mg_m3", Double, comment="mg/Nm3, dry, at the reference oxygen"),
        Column("mass_ug", BigInteger),
        Column("mass_reason", Text, nullable=False, comment="why a valid mean has no mass"),
        Column(
            "beyond_calibration",
            Boolean,
            comment="whether the mean lies beyond the valid range of the calibration function;"
            " null: there is none",
        ),
        Column("version", Integer, nullable=False),
        Column("why", Text, nullable=False, comment="why this version came to be"),
        Column("known_at", _instant, nullable=False, server_default=known_now()),
    ]


pollutant_mean = Table(
    "pollutant_mean",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("pollutant", Text, primary_key=True),
    Column("starts", _instant, primary_key=True),
    *_figures(),
    Column("final", Boolean, nullable=False, comment="false: it waits to be formed"),
    comment="means of pollutants in the intervals that they are averaged over",
)
Index(
    "pollutant_mean_open_idx",
    pollutant_mean.c.source_id,
    pollutant_mean.c.starts,
    postgresql_where=text("NOT final"),
)

Index(
    "pollutant_mean_beyond_calibration_idx",
    pollutant_mean.c.source_id,
    pollutant_mean.c.pollutant,
    pollutant_mean.c.starts,
    postgresql_where=text("beyond_calibration"),
)
Index("pollutant_mean_source_id_starts_idx", pollutant_mean.c.source_id, pollutant_mean.c.starts)

pollutant_mean_history = Table(
    "pollutant_mean_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source_id", Integer, nullable=False),
    Column("pollutant", Text, nullable=False),
    Column("starts", _instant, nullable=False),
    *_figures(),
    Column("superseded_at", _instant, nullable=False),
    Index("pollutant_mean_history_source_id_starts_idx", "source_id", "starts"),
    comment="means of pollutants that a restatement replaced; rows are only ever added",
)
