"""The database schema as SQLAlchemy Core tables: what passes between the services.

Masses are integer micrograms (1 kg = 1e9), activity amounts integer nano-units of the source's
activity unit, covered time integer milliseconds: see :mod:`.figures`. Times are ``timestamptz``;
the column ``minute`` or ``hour`` holds the start of that minute or hour, in UTC.

``table.info["hypertable"]`` names the time column and chunk interval of a hypertable; the DDL that
SQLAlchemy cannot express is in :mod:`services.core.store.schema.ddl`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from services.core.store.schema.believed_time import known_now, make_before_tables
from services.core.store.schema.figures import (
    CLOSING_SHARES,
    FIGURES,
    IN_HOURS,
    IN_WINDOWS,
    MASSES,
    Figure,
)
from services.core.timeline.windows import TOTALS

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

make_before_tables(metadata)

_instant = DateTime(timezone=True)


def _id() -> Column[int]:
    return Column("id", Integer, Identity(always=True), primary_key=True)


def _known_at() -> Column[Any]:
    return Column("known_at", _instant, nullable=False, server_default=known_now())


# -- registry: what is where, and how it is counted -------------------------------------------

facility = Table(
    "facility",
    metadata,
    _id(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False, comment="IANA name; days and months are cut in it"),
    Column("document", JSONB, nullable=False, comment="the facility file as last applied"),
    Column("applied_at", _instant, nullable=False, server_default=known_now()),
    Column("file", Text, comment="its text as last applied, with comments; null: not kept"),
    Column("retired_at", _instant, comment="null: it is in force"),
)

facility_retirement = Table(
    "facility_retirement",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility_id", ForeignKey("facility.id"), nullable=False, index=True),
    Column("retired_at", _instant, nullable=False),
    Column("retired_by", Text, nullable=False),
    Column("reason", Text, comment="why, in the words of whoever retired it"),
    Column("returned_at", _instant, comment="when its file was applied again; null: it was not"),
    Column("returned_by", Text),
    comment="every time that a facility was retired",
)

facility_purge = Table(
    "facility_purge",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility", Text, nullable=False, comment="its id; the name may be used again since"),
    Column("name", Text, nullable=False),
    Column("retired_at", _instant, nullable=False),
    Column("begun_at", _instant, nullable=False, server_default=func.now()),
    Column("begun_by", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="why, in the words of whoever purged it"),
    Column("removed", JSONB, nullable=False, server_default="{}", comment="rows by table"),
    Column("finished_at", _instant, comment="null: something of it is still there"),
    comment="facilities whose data were deleted for ever; written by the database's owner alone",
)
Index(
    "facility_purge_unfinished_idx",
    facility_purge.c.facility,
    unique=True,
    postgresql_where=text("finished_at IS NULL"),
)

facility_grant = Table(
    "facility_grant",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column(
        "name",
        Text,
        primary_key=True,
        comment="topic: the topic and all below it; secret: a variable of the notifier",
    ),
    Column("granted_at", _instant, nullable=False, server_default=func.now()),
    Column("granted_by", Text, nullable=False),
    CheckConstraint("kind IN ('topic', 'secret')", name="kind"),
    comment="what a key that is limited to the facility may name in its file",
)

device = Table(
    "device",
    metadata,
    _id(),
    Column("facility_id", ForeignKey("facility.id"), nullable=False),
    Column("slug", Text, nullable=False, comment="unique within its facility"),
    Column("topic", Text, comment="the device's own topic; null: the native topic"),
    Column("format", Text, nullable=False, server_default="native"),
    Column("spec", JSONB, nullable=False, comment="the device's part of the facility file"),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("last_seen", _instant, comment="newest committed message or status"),
    Column("online", Boolean, comment="what the device's status topic last said; null: never"),
    Column("status_at", _instant, comment="when it said so"),
    UniqueConstraint("facility_id", "slug"),
)

channel = Table(
    "channel",
    metadata,
    _id(),
    Column("device_id", ForeignKey("device.id"), nullable=False),
    Column("slug", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("unit", Text, nullable=False, comment="the unit that readings are stored in"),
    Column("kind", Text, nullable=False),
    Column("spec", JSONB, nullable=False, comment="the channel's part of the facility file"),
    Column("active", Boolean, nullable=False, server_default="true"),
    UniqueConstraint("device_id", "slug"),
    CheckConstraint("kind IN ('counter', 'gauge', 'interval', 'event')", name="kind"),
)

channel_revision = Table(
    "channel_revision",
    metadata,
    Column("channel_id", ForeignKey("channel.id"), primary_key=True),
    Column("known_at", _instant, primary_key=True, server_default=known_now()),
    Column("spec", JSONB, nullable=False),
    comment="every configuration a channel ever had, for totals as they were known",
)

source = Table(
    "source",
    metadata,
    _id(),
    Column("facility_id", ForeignKey("facility.id"), nullable=False),
    Column("slug", Text, nullable=False),
    Column(
        "scope",
        SmallInteger,
        nullable=False,
        comment="0: it emits nothing, and counts what is made of a product",
    ),
    Column("method", Text, nullable=False),
    Column("activity_unit", Text, comment="unit of activity amounts; null where there is none"),
    Column("spec", JSONB, nullable=False, comment="the source's part of the facility file"),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column(
        "retired_at",
        _instant,
        comment="when the facility file stopped to name it, or the facility was retired with it",
    ),
    UniqueConstraint("facility_id", "slug"),
)

source_input = Table(
    "source_input",
    metadata,
    Column("source_id", ForeignKey("source.id"), primary_key=True),
    Column("role", Text, primary_key=True, comment="input, co2, flow, h2o, o2 ..."),
    Column("channel_id", ForeignKey("channel.id"), nullable=False, index=True),
)

source_revision = Table(
    "source_revision",
    metadata,
    Column("source_id", ForeignKey("source.id"), primary_key=True),
    Column("known_at", _instant, primary_key=True, server_default=known_now()),
    Column("spec", JSONB, nullable=False),
    comment="every configuration a source ever had: totals are explained as they were known",
)

source_absence = Table(
    "source_absence",
    metadata,
    Column("source_id", ForeignKey("source.id"), primary_key=True),
    Column("retired_at", _instant, primary_key=True),
    Column("returned_at", _instant, nullable=False),
    comment="every time that a source was not in its facility's file and came back",
)

factor = Table(
    "factor",
    metadata,
    _id(),
    Column("facility_id", ForeignKey("facility.id"), comment="null: a built-in factor"),
    Column("slug", Text, nullable=False),
    Column("unit", Text, nullable=False, comment="masses are per this unit of activity"),
    Column("basis", Text, nullable=False),
    Column("co2_kg", Double, comment="null: only CO2e is published"),
    Column("ch4_kg", Double, nullable=False),
    Column("n2o_kg", Double, nullable=False),
    Column(
        "co2_biogenic_kg",
        Double,
        nullable=False,
        server_default="0",
        comment="CO2 from biomass, in no other mass",
    ),
    Column("co2e_kg", Double, comment="as published; null: from the gases and the GWP set"),
    Column("ch4_origin", Text, nullable=False),
    Column("heat_content_mj", Double, comment="per heat_content_unit of fuel"),
    Column("heat_content_unit", Text),
    Column("heat_content_citation", Text),
    Column("uncertainty_percent", Double),
    Column(
        "gases",
        Text,
        nullable=False,
        server_default="",
        comment="kg of other greenhouse gases, as HFC-32=0.5 HFC-125=0.5",
    ),
    Column("density_kg_m3", Double, comment="of the fuel as it is metered"),
    Column(
        "fallback",
        Text,
        comment="of a series, what holds for hours without a value, in order; null: no series",
    ),
    Column("series_id", Integer, comment="of a series, the factor_series that has its values"),
    Column(
        "publication",
        Text,
        nullable=False,
        server_default="",
        comment="a built-in figure's, by its id in the release",
    ),
    Column("successor_expected", Date, comment="when a newer figure is due; null: never"),
    Column("valid_from", Date, comment="a day of the facility, inclusive; null: always"),
    Column("valid_to", Date, comment="exclusive; null: until further notice"),
    Column("known_from", _instant, nullable=False, server_default=known_now()),
    Column("known_to", _instant, comment="when a correction replaced this row; null: in force"),
    Column(
        "imported",
        Boolean,
        nullable=False,
        server_default="false",
        comment="an operator's, for every facility; a release of tonne does not replace it",
    ),
    Column("data_year", Integer),
    Column("release", Text, nullable=False),
    Column("citation", Text, nullable=False),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="valid"),
    CheckConstraint("known_to IS NULL OR known_to >= known_from", name="known"),
)
Index("factor_slug_valid_from_idx", factor.c.slug, factor.c.valid_from)

registry_revision = Table(
    "registry_revision",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("changed_at", _instant, nullable=False, server_default=func.now()),
    CheckConstraint("id = 1", name="single"),
    comment="one row, raised with every change of the registry: caches compare it",
)

# -- readings ---------------------------------------------------------------------------------

reading = Table(
    "reading",
    metadata,
    # ordered by falling width so that no byte is lost to alignment
    Column("ts", _instant, nullable=False, comment="as the device said, never re-stamped"),
    Column("value", Double, comment="in the channel's unit; null: an explicit gap"),
    Column("received_at", _instant, nullable=False),
    Column("channel_id", Integer, nullable=False),
    Column("quality", SmallInteger, nullable=False),
    Column("time_source", SmallInteger, nullable=False),
    Column(
        "known_at",
        _instant,
        comment="when it came to be stored as it is; null: as it arrived, within a second",
    ),
    UniqueConstraint("channel_id", "ts"),
    info={"hypertable": ("ts", "7 days")},
)

touched = Table(
    "touched",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility_id", Integer, nullable=False),
    Column("committed_at", _instant, nullable=False, server_default=known_now()),
    Column("channel_ids", ARRAY(Integer), nullable=False),
    Column("minutes", ARRAY(Integer), nullable=False, comment="minutes since the epoch"),
    Column("reason", Text, comment="why, and who caused it; null: readings arrived"),
    Column(
        "seconds",
        ARRAY(SmallInteger),
        comment="second of each minute at which its changes begin; null: at its start",
    ),
    Column(
        "live",
        Boolean,
        nullable=False,
        server_default=text("true"),
        comment="the readings were less than a day old when they arrived: claimed first",
    ),
    comment="(channel, minute) pairs whose readings changed: element i of both is a pair",
)
Index(
    "touched_facility_id_live_id_idx",
    touched.c.facility_id,
    touched.c.live.desc(),
    touched.c.id,
)
Index(
    "touched_reason_idx",
    touched.c.facility_id,
    touched.c.id,
    postgresql_where=text("reason IS NOT NULL"),
)

recompute = Table(
    "recompute",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility_id", Integer, nullable=False, index=True),
    Column("source_id", ForeignKey("source.id"), nullable=False),
    Column("from_minute", Integer, nullable=False, comment="inclusive, minutes since the epoch"),
    Column("to_minute", Integer, nullable=False, comment="exclusive"),
    Column("reason", Text, nullable=False),
    Column("requested_at", _instant, nullable=False, server_default=known_now()),
    Column(
        "step",
        Text,
        nullable=False,
        server_default="readings",
        comment="readings: all of it; factor: masses from stored amounts, hours before minutes;"
        " rest: what did not fit into a tick, newest first",
    ),
    CheckConstraint("step IN ('readings', 'factor', 'rest')", name="step"),
    comment="intervals to compute again after a change of configuration or factor, or later on",
)
Index(
    "recompute_rest_idx",
    recompute.c.facility_id,
    recompute.c.to_minute,
    postgresql_where=text("step = 'rest'"),
)

following_minutes = Table(
    "following_minutes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility_id", Integer, nullable=False, index=True),
    Column("source_id", Integer, nullable=False, index=True),
    Column("begins", _instant, nullable=False, comment="first minute"),
    Column("ends", _instant, nullable=False, comment="exclusive"),
    *(
        Column(
            mass.in_kg,
            ARRAY(Double),
            nullable=False,
            server_default="{0}" if mass.later else None,
            comment="per unit of activity: one for all minutes,"
            " or one for each hour from the first minute's on, of one UTC day; as the others"
            if mass is MASSES[0]
            else None,
        )
        for mass in MASSES
    ),
    Column(
        "packed",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="of packed days: they follow when those are opened",
    ),
    comment="minutes whose hours and windows have a new factor's masses already, they not yet",
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("received_at", _instant, nullable=False, server_default=func.now()),
    Column("reason", Text, nullable=False, comment="a code of services.ingest.quarantine.reasons"),
    Column("detail", Text, nullable=False, comment="what is wrong and what to do"),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False, comment="the message's raw bytes"),
    Column("facility", Text),
    Column("device", Text),
    Column("channel", Text),
    Column("ts", _instant),
    Column("value", Double),
    Column("stored_value", Double, comment="for a conflict: what is stored under the same key"),
    Column("quality", SmallInteger, comment="of one reading: as sent"),
    Column("stored_quality", SmallInteger, comment="for a conflict: as stored"),
    Column(
        "unknown_ids",
        ARRAY(Text),
        comment="ids by which a message at a topic of many devices names some that nobody"
        " registered",
    ),
    Column(
        "properties",
        JSONB,
        comment="what MQTT 5 said of the message beside its payload; null: nothing",
    ),
    Column("state", Text, nullable=False, server_default="open"),
    Column("settled_at", _instant),
    Column(
        "kept_at",
        _instant,
        server_default=known_now(),
        comment="when it was written, by this clock; null: before that was kept",
    ),
    CheckConstraint("state IN ('open', 'replayed', 'accepted', 'discarded')", name="state"),
)
Index(
    "quarantine_open_idx",
    quarantine.c.reason,
    quarantine.c.id,
    postgresql_where=text("state = 'open'"),
)
Index(
    "quarantine_open_arrival_idx",
    quarantine.c.received_at,
    quarantine.c.id,
    postgresql_where=text("state = 'open'"),
)
Index(
    "quarantine_alone_idx",
    quarantine.c.facility,
    quarantine.c.device,
    quarantine.c.ts,
    postgresql_where=text("state = 'open' AND reason = 'stands_alone'"),
)
Index("quarantine_message_idx", func.md5(quarantine.c.payload), quarantine.c.reason)
Index(
    "quarantine_settled_idx",
    quarantine.c.settled_at,
    postgresql_where=text("state <> 'open'"),
)

# -- corrections ------------------------------------------------------------------------------

replay_request = Table(
    "replay_request",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("requested_at", _instant, nullable=False, server_default=func.now()),
    Column("requested_by", Text, nullable=False),
    Column("note", Text, comment="why, in the words of whoever asked"),
    Column("accept", Boolean, nullable=False, comment="conflicts replace what is stored"),
    Column("ids", ARRAY(BigInteger), comment="entries of quarantine; null: all that match"),
    Column("facilities", ARRAY(Text), comment="null: all"),
    Column("devices", ARRAY(Text), comment="null: all"),
    Column("reasons", ARRAY(Text), comment="null: all"),
    Column("since", _instant, comment="arrived then or later; null: at any time"),
    Column("until", _instant, comment="arrived before; null: at any time"),
    Column("upto_id", BigInteger, nullable=False, comment="newest entry when it was asked for"),
    Column("entries", Integer, nullable=False, comment="how many matched when it was asked for"),
    Column("after_received_at", _instant, comment="with after_id: the last entry that was tried"),
    Column("after_id", BigInteger),
    Column("tried", Integer, nullable=False, server_default="0"),
    Column("restored", Integer, nullable=False, server_default="0"),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("refused", JSONB, nullable=False, server_default="{}", comment="entries by reason"),
    Column("finished_at", _instant),
    comment="what of quarantine ingest is to try again, and how far it is",
)
Index(
    "replay_request_waiting_idx",
    replay_request.c.id,
    postgresql_where=text("finished_at IS NULL"),
)

reading_correction = Table(
    "reading_correction",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel_id", Integer, nullable=False),
    Column("ts", _instant, nullable=False),
    Column("old_value", Double),
    Column("old_quality", SmallInteger, comment="null: nothing was stored, a person added it"),
    Column("old_time_source", SmallInteger),
    Column("old_received_at", _instant),
    Column("new_value", Double),
    Column("new_quality", SmallInteger, nullable=False),
    Column("corrected_at", _instant, nullable=False, server_default=known_now()),
    Column("corrected_by", Text, nullable=False),
    Column("note", Text, comment="why, in the words of whoever corrected or accepted it"),
    Column(
        "quarantine_id",
        BigInteger,
        comment="the conflict that was accepted; null: by the channel's own rule, or by a person",
    ),
    Column(
        "old_known_at",
        _instant,
        comment="since when the old one stood; not before it was corrected: it never did; null: as"
        " it arrived",
    ),
    Column(
        "by_person",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="a person states the new value: what devices send later does not replace it",
    ),
    comment="every reading that another replaced or came too late for; rows are only ever added",
)
Index(
    "reading_correction_channel_id_ts_idx",
    reading_correction.c.channel_id,
    reading_correction.c.ts,
)

discarded_reading = Table(
    "discarded_reading",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel_id", Integer, nullable=False),
    Column("ts", _instant, nullable=False),
    Column("value", Double),
    Column("quality", SmallInteger, nullable=False),
    Column("time_source", SmallInteger, nullable=False),
    Column("received_at", _instant, nullable=False),
    Column("discarded_at", _instant, nullable=False, server_default=known_now()),
    Column("discarded_by", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="why, in the words of whoever discarded it"),
    Column("known_at", _instant, comment="since when it was stored; null: as it arrived"),
    comment="every reading that was taken away; rows are only ever added",
)
Index("discarded_reading_ts_channel_id_idx", discarded_reading.c.ts, discarded_reading.c.channel_id)

# -- emissions --------------------------------------------------------------------------------

#: Type of a figure, by its own in minutes and hours.
_INTEGERS: dict[str, type[Integer]] = {"int8": BigInteger, "int4": Integer}


def _figure(
    figure: Figure, type_: TypeEngine[Any] | None = None, *, comment: str | None = None
) -> Column[Any]:
    return Column(
        figure.name,
        type_ or _INTEGERS[figure.type](),
        nullable=figure.nullable,
        server_default="0" if figure.later else None,
        comment=comment,
    )


emission_minute = Table(
    "emission_minute",
    metadata,
    Column("minute", _instant, nullable=False),
    *(_figure(figure, comment=figure.comment) for figure in (*FIGURES, *CLOSING_SHARES)),
    Column("source_id", Integer, nullable=False),
    Column("activity", Double, comment="activity_n before it was rounded: factors apply to it"),
    UniqueConstraint("source_id", "minute"),
    info={"hypertable": ("minute", "28 days")},
)


def _hour_columns() -> list[Column[Any]]:
    return [
        *(_figure(figure) for figure in IN_HOURS),
        Column("version", Integer, nullable=False),
        Column("final", Boolean, nullable=False),
        Column("quality", Text, nullable=False),
        Column("code", Text, comment="the method code of the rule that finalised the hour"),
        Column("reason", Text, nullable=False, comment="why this version came to be"),
    ]


emission_hour = Table(
    "emission_hour",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("hour", _instant, primary_key=True),
    *_hour_columns(),
    _known_at(),
    Column(
        "opened_at",
        _instant,
        nullable=False,
        server_default=known_now(),
        comment="when anything of this hour was known first",
    ),
    comment="the version of each hour that is in force",
)
Index(
    "emission_hour_open_idx",
    emission_hour.c.hour,
    postgresql_where=text("NOT final"),
)

emission_hour_history = Table(
    "emission_hour_history",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("hour", _instant, primary_key=True),
    *(
        c if c.name != "version" else Column("version", Integer, primary_key=True)
        for c in _hour_columns()
    ),
    _known_at(),
    Column("superseded_at", _instant, nullable=False, server_default=known_now()),
    comment="every final version that a restatement replaced; rows are only ever added",
)


def _hour_input_columns() -> list[Column[Any]]:
    return [
        Column("average", Numeric, comment="as the rule records it, in the equation's unit"),
        Column("covered_ms", Integer, nullable=False),
        Column("operating_ms", Integer, nullable=False, comment="0: the unit did not operate"),
        Column("valid", Boolean, nullable=False),
        Column("verdict", Text, nullable=False, comment="code of the validity policy"),
        Column("verdict_reason", Text, nullable=False),
        Column("value", Numeric, comment="what entered the equation: the average or a substitute"),
        Column("code", Text, nullable=False, comment="method code of the value"),
        Column("reason", Text, nullable=False, comment="why this value"),
        Column(
            "unadjusted",
            Numeric,
            comment="the average before the bias factor of an audit; null: none applies",
        ),
        Column(
            "measured_code",
            Text,
            nullable=False,
            server_default="01",
            comment="method code of the average, where it is valid",
        ),
        Column(
            "least_known",
            Numeric,
            comment="the average with readings above full scale; null: there are none",
        ),
        Column(
            "beyond_calibration",
            Boolean,
            comment="whether the channel's average lies beyond the valid range of its calibration"
            " function; null: it has none",
        ),
        _known_at(),
    ]


source_hour_input = Table(
    "source_hour_input",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("role", Text, primary_key=True, comment="input of the equation, or co2 from its o2"),
    Column("hour", _instant, primary_key=True),
    *_hour_input_columns(),
    comment="inputs of the equation of each hour that a rule finalised; look-backs read them",
)
Index(
    "source_hour_input_invalid_idx",
    source_hour_input.c.source_id,
    source_hour_input.c.hour,
    postgresql_where=text("NOT valid"),
)

Index(
    "source_hour_input_beyond_calibration_idx",
    source_hour_input.c.source_id,
    source_hour_input.c.role,
    source_hour_input.c.hour,
    postgresql_where=text("beyond_calibration"),
)

source_hour_input_history = Table(
    "source_hour_input_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source_id", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("hour", _instant, nullable=False),
    *_hour_input_columns(),
    Column("superseded_at", _instant, nullable=False),
    Index("source_hour_input_history_source_id_hour_idx", "source_id", "hour"),
    comment="what equations were given before hours were judged again; rows are only ever added",
)

calibration_test = Table(
    "calibration_test",
    metadata,
    Column("channel_id", Integer, primary_key=True),
    Column("ended_at", _instant, primary_key=True),
    Column("passed", Boolean, nullable=False),
    Column("detail", Text, nullable=False, comment="each injection: reference, response, error"),
    comment="daily calibrations, found among the readings of quality calibration",
)

rolling_total = Table(
    "rolling_total",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("span", Text, primary_key=True),
    Column("since", _instant, nullable=False, comment="first minute counted"),
    Column("upto", _instant, nullable=False, comment="last minute counted"),
    *(
        _figure(figure, BigInteger() if figure.unit == "ms" else Numeric(30, 0))
        for figure in IN_WINDOWS
    ),
    CheckConstraint("span IN ({})".format(", ".join(f"'{name}'" for name in TOTALS)), name="span"),
)

facility_progress = Table(
    "facility_progress",
    metadata,
    Column("facility_id", ForeignKey("facility.id"), primary_key=True),
    Column("sequence", BigInteger, nullable=False, comment="raised with every change of totals"),
    Column("changed_at", _instant, nullable=False, server_default=known_now()),
    Column(
        "carried_to",
        _instant,
        comment="newest minute into which values that still hold were carried",
    ),
    Column(
        "hours_wait",
        Boolean,
        nullable=False,
        server_default="false",
        comment="more hours can be closed than the last tick did",
    ),
    Column("judged_to", _instant, comment="newest minute that thresholds were evaluated in"),
    Column("rolled_to", _instant, comment="minute that the rolling totals were last moved in"),
    Column(
        "settled_at",
        _instant,
        comment="when all of a retired facility was closed; from before it was retired: not yet",
    ),
)

# -- retention --------------------------------------------------------------------------------

reading_horizon = Table(
    "reading_horizon",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("horizon", _instant, nullable=False),
    Column("raised_at", _instant, nullable=False, server_default=func.now()),
    Column("dropped_at", _instant, comment="null: what lies below it is still to be dropped"),
    CheckConstraint("id = 1", name="single"),
    comment="one row once readings were dropped: none from before is kept or taken",
)

channel_horizon = Table(
    "channel_horizon",
    metadata,
    Column("channel_id", Integer, primary_key=True, autoincrement=False),
    Column("horizon", _instant, nullable=False),
    comment="channels that lost readings, and up to when: what these fed is not recomputed",
)

dropped_readings = Table(
    "dropped_readings",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chunk", Text, nullable=False),
    Column("from_ts", _instant, nullable=False),
    Column("to_ts", _instant, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("retention", Text, nullable=False, comment="the setting they fell under"),
    Column("dropped_at", _instant, nullable=False, server_default=func.now()),
    comment=(
        "every chunk of raw readings that was dropped, and what was packed where there is none;"
        " rows are only ever added"
    ),
)

# -- operation --------------------------------------------------------------------------------

set_aside = Table(
    "set_aside",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("service", Text, nullable=False, comment="whose work it is: aggregator or notify"),
    Column("facility_id", ForeignKey("facility.id"), nullable=False),
    Column("kind", Text, nullable=False, comment="what it is a piece of: facility, source, ..."),
    Column("name", Text, nullable=False, comment="its name within the facility; empty: all of it"),
    Column("reason", Text, nullable=False, comment="what is wrong and what to do"),
    Column("since", _instant, nullable=False, server_default=known_now()),
    Column("tried", Integer, nullable=False, server_default="1", comment="how often, in vain"),
    Column("tried_at", _instant, nullable=False, server_default=known_now()),
    Column("retry_at", _instant, comment="null: not by itself"),
    Column("revision", BigInteger, comment="of the registry that it was last tried with"),
    Column("from_minute", Integer, comment="of what goes on but for some minutes: the first one"),
    Column("to_minute", Integer, comment="and the last one, minutes since the epoch"),
    UniqueConstraint("service", "facility_id", "kind", "name"),
    comment="pieces of work that cannot be done, so that the others are",
)

process_progress = Table(
    "process_progress",
    metadata,
    Column("process", Text, primary_key=True, comment="ingest or aggregator"),
    Column("instance", Text, primary_key=True),
    Column("started_at", _instant, nullable=False),
    Column("progressed_at", _instant, nullable=False, comment="last turn of the main loop"),
    Column("state", JSONB, nullable=False, comment="what it says of itself"),
)

broker_session = Table(
    "broker_session",
    metadata,
    Column("name", Text, primary_key=True),
    Column("client_id", Text, nullable=False, comment="secret: it can be taken over"),
    Column(
        "filters",
        ARRAY(Text),
        comment="what the broker's session may listen to; null: not noted yet",
    ),
)

api_key = Table(
    "api_key",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the key"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("facilities", ARRAY(Text), comment="null: all"),
    Column("created_at", _instant, nullable=False, server_default=func.now()),
    Column("expires_at", _instant),
    Column("revoked_at", _instant),
    Column("person_id", ForeignKey("person.id"), comment="whose it is; null: a machine's"),
)
