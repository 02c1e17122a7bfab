"""The part of the schema that is history packed away: readings, minutes and hours, and the archive.

What a row here stands for is no row of the tables that it was packed from, and comes out of it to
the bit (:mod:`.packing`, :mod:`.minute_packing`, :mod:`.hour_packing`, :mod:`.archive`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)

from services.core.store.schema.packed_runs import SHORT
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)


def _first_day() -> Column[int]:
    return Column(
        "day",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="the first, since the epoch, in UTC",
    )


def _days() -> Column[int]:
    return Column(
        "days",
        SmallInteger,
        nullable=False,
        server_default="1",
        comment="from the first to the last that has readings",
    )


packed_readings = Table(
    "packed_readings",
    metadata,
    Column(
        "id", BigInteger, Identity(always=True), nullable=False, comment="another at each packing"
    ),
    Column("first_ts", _instant, nullable=False),
    Column("last_ts", _instant, nullable=False),
    Column("known_from", _instant, nullable=False, comment="when the first of them was known"),
    Column("known_to", _instant, nullable=False, comment="when all of them were"),
    Column("channel_id", Integer, primary_key=True, autoincrement=False),
    _first_day(),
    Column("readings", Integer, nullable=False),
    Column("usable", Integer, nullable=False, comment="those with a value, good or uncertain"),
    Column("digest", LargeBinary, nullable=False, comment="of the rows that were packed"),
    Column(
        "series", LargeBinary, comment="times, values and qualities; null: in the archive alone"
    ),
    Column(
        "arrival",
        LargeBinary,
        comment="time sources, when received and known; null: in the archive alone",
    ),
    Column(
        "archived",
        Boolean,
        nullable=False,
        server_default="false",
        comment="these very readings are in the facility's archive of the month",
    ),
    _days(),
    CheckConstraint(
        "CASE WHEN archived THEN (series IS NULL) = (arrival IS NULL)"
        " ELSE series IS NOT NULL AND arrival IS NOT NULL END",
        name="somewhere",
    ),
    Index(
        "packed_readings_short_idx",
        "channel_id",
        "day",
        postgresql_where=text(SHORT),
    ),
    comment="what a channel has of a day, or of a run of days in one month, in place of its rows in"
    " reading",
)

taken_readings = Table(
    "taken_readings",
    metadata,
    Column("first_ts", _instant, nullable=False),
    Column("last_ts", _instant, nullable=False),
    Column("known_from", _instant, nullable=False),
    Column("known_to", _instant, nullable=False),
    Column("channel_id", Integer, primary_key=True, autoincrement=False),
    _first_day(),
    Column("readings", Integer, nullable=False),
    Column("usable", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    _days(),
    Column(
        "archived",
        Boolean,
        nullable=False,
        server_default="false",
        comment="of packed rows that are joined: all of them are in the archive",
    ),
    comment="days whose rows are deleted and that are packed in the same transaction: never a row"
    " when it ends",
)

packing_horizon = Table(
    "packing_horizon",
    metadata,
    Column(
        "id",
        SmallInteger,
        primary_key=True,
        autoincrement=False,
        comment="1: readings, 2: minutes, 3: hours",
    ),
    Column("upto_day", Integer, nullable=False, comment="no day from this one on was ever packed"),
    CheckConstraint("id IN (1, 2, 3)", name="kind"),
    comment="a row for each kind of history of which days were packed",
)

archive_file = Table(
    "archive_file",
    metadata,
    Column("facility_id", Integer, primary_key=True, autoincrement=False),
    Column("month", Date, primary_key=True, comment="its first day, in UTC"),
    Column("place", Text, nullable=False, comment="folder or bucket"),
    Column("path", Text, nullable=False, comment="below the place"),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False, comment="of the file"),
    Column("readings", BigInteger, nullable=False),
    Column("days", Integer, nullable=False, comment="days of channels"),
    Column("tonne", Text, nullable=False, comment="the version that wrote it"),
    Column("archived_at", _instant, nullable=False, server_default=func.now()),
    Column(
        "removed_at",
        _instant,
        comment="since when its days are in the archive alone, but for those near others",
    ),
    comment="the file of a facility's month in the archive",
)

archived_span = Table(
    "archived_span",
    metadata,
    Column("channel_id", Integer, primary_key=True, autoincrement=False),
    Column("first_day", Integer, primary_key=True, autoincrement=False),
    Column("last_day", Integer, nullable=False),
    Column("first_uncomputed", Integer, nullable=False, comment="day whose minutes miss readings"),
    Column("last_uncomputed", Integer, nullable=False),
    comment="days, in UTC, in which no reading is taken: they or those near are archived away",
)
#: asked at each tick for what lies beyond some day, mostly nothing
Index("archived_span_last_uncomputed_idx", archived_span.c.last_uncomputed)

packed_minutes = Table(
    "packed_minutes",
    metadata,
    Column(
        "id", BigInteger, Identity(always=True), nullable=False, comment="another at each packing"
    ),
    Column("first_minute", _instant, nullable=False),
    Column("last_minute", _instant, nullable=False),
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column(
        "day", Integer, primary_key=True, autoincrement=False, comment="since the epoch, in UTC"
    ),
    Column("digest", LargeBinary, nullable=False, comment="of the rows that were packed"),
    Column("minutes", LargeBinary, nullable=False, comment="all columns of the rows"),
    comment="what a source has of a day, in place of its rows in emission_minute",
)

packed_hours = Table(
    "packed_hours",
    metadata,
    Column(
        "id", BigInteger, Identity(always=True), nullable=False, comment="another at each packing"
    ),
    Column("first_hour", _instant, nullable=False),
    Column("last_hour", _instant, nullable=False),
    Column("known_from", _instant, nullable=False, comment="when the first in force was known"),
    Column("known_to", _instant, nullable=False, comment="when all in force were"),
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column(
        "month",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="since the year 0, in UTC: 12 x year + month - 1",
    ),
    Column("hours", Integer, nullable=False, comment="in force, all of them final"),
    Column("versions", Integer, nullable=False, comment="that were replaced"),
    Column("digest", LargeBinary, nullable=False, comment="of the rows that were packed"),
    Column("in_force", LargeBinary, nullable=False, comment="all columns of emission_hour"),
    Column(
        "superseded", LargeBinary, nullable=False, comment="all columns of emission_hour_history"
    ),
    comment="what a source has of a month, in place of its rows in emission_hour and its history",
)
