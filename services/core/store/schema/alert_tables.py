"""The part of the schema that is about limits: thresholds, their alerts, and notifications of them.

Times of alerts are data times, whole minutes: what is evaluated depends on readings alone. Which
alerts there are follows from what is not undone; what was undone stays.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.core.store.schema.believed_time import known_now
from services.core.store.schema.tables import metadata

_instant = DateTime(timezone=True)

threshold = Table(
    "threshold",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("facility_id", ForeignKey("facility.id"), nullable=False),
    Column("slug", Text, nullable=False),
    Column("origin", Text, nullable=False, comment="who may change it: the facility file or API"),
    Column("version", Integer, nullable=False, comment="raised with every change"),
    Column("spec", JSONB, nullable=False, comment="as in a facility file"),
    Column("source_id", ForeignKey("source.id"), comment="with the next three: what is watched"),
    Column("scope", SmallInteger),
    Column("channel_id", ForeignKey("channel.id")),
    Column("device_id", ForeignKey("device.id")),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("in_force_from", _instant, nullable=False, comment="first minute evaluated"),
    UniqueConstraint("facility_id", "slug"),
    CheckConstraint("origin IN ('file', 'api')", name="origin"),
    comment="limits that are watched; all four targets null: the whole facility",
)

threshold_revision = Table(
    "threshold_revision",
    metadata,
    Column("threshold_id", ForeignKey("threshold.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("spec", JSONB, comment="null: taken out of force"),
    Column("known_at", _instant, nullable=False, server_default=known_now()),
    Column("changed_by", Text),
    comment="every version that a threshold ever had",
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("facility_id", ForeignKey("facility.id"), nullable=False),
    Column("slug", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("from_ts", _instant, nullable=False),
    Column("to_ts", _instant, nullable=False, comment="exclusive"),
    Column("sources", ARRAY(Text), comment="with thresholds null: everything"),
    Column("thresholds", ARRAY(Text)),
    Column("reason", Text, nullable=False),
    Column("stated_by", Text),
    Column("stated_at", _instant, nullable=False, server_default=known_now()),
    Column("active", Boolean, nullable=False, server_default="true"),
    UniqueConstraint("facility_id", "slug"),
    CheckConstraint("origin IN ('file', 'api')", name="origin"),
    CheckConstraint("to_ts > from_ts", name="span"),
    comment="periods in which alerts are recorded and nobody is notified",
)

alert = Table(
    "alert",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility_id", ForeignKey("facility.id"), nullable=False),
    Column("threshold_id", ForeignKey("threshold.id"), nullable=False, index=True),
    Column("threshold_version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("projected", Boolean, nullable=False, comment="the limit was not passed yet"),
    Column("started_at", _instant, nullable=False, comment="first minute beyond the limit"),
    Column("fired_at", _instant, nullable=False, comment="when it had lasted long enough"),
    Column("resolved_at", _instant, comment="null: it has not ended"),
    Column("value", Double, comment="when it fired; null: unknown"),
    Column("limit_value", Double, nullable=False),
    Column("crosses_at", _instant, comment="projected: when the limit will be passed"),
    Column("room", Double, comment="what was left up to the limit, in the value's unit"),
    Column("data_version", BigInteger, nullable=False, comment="facility_progress.sequence seen"),
    Column("maintenance_id", ForeignKey("maintenance.id"), comment="the maintenance that muted it"),
    Column("told", Boolean, nullable=False, comment="its firing was put into the outbox"),
    Column("acked_at", _instant),
    Column("acked_by", Text),
    Column("undone_at", _instant, comment="when changed data showed that it never was"),
    Column("undone_by", Text, comment="why the data changed"),
    Column("ended_by", Text, comment="what ended it, where its values did not"),
    Column("changed_at", _instant, nullable=False, server_default=known_now()),
    CheckConstraint("state IN ('firing', 'no-data', 'resolved')", name="state"),
    comment="periods in which a threshold fired",
)
Index("alert_facility_id_fired_at_idx", alert.c.facility_id, alert.c.fired_at)
Index("alert_facility_id_changed_at_idx", alert.c.facility_id, alert.c.changed_at)
Index(
    "alert_open_idx",
    alert.c.facility_id,
    alert.c.threshold_id,
    postgresql_where=text("resolved_at IS NULL AND undone_at IS NULL"),
)

alert_transition = Table(
    "alert_transition",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("threshold_id", ForeignKey("threshold.id"), nullable=False),
    Column("at", _instant, nullable=False, comment="the minute it happened in"),
    Column("state", Text, nullable=False, comment="from then on"),
    Column("projected", Boolean, nullable=False),
    Column("since", _instant, nullable=False, comment="first minute of what led to it"),
    Column("value", Double, comment="null: unknown"),
    Column("limit_value", Double, nullable=False),
    Column("data_version", BigInteger, nullable=False, comment="facility_progress.sequence seen"),
    Column("judged_at", _instant, nullable=False, server_default=known_now()),
    Column("undone_at", _instant, comment="when changed data showed that it never happened"),
    CheckConstraint(
        "state IN ('inactive', 'pending', 'firing', 'firing-no-data', 'resolved', 'no-data')",
        name="state",
    ),
    comment="every transition of every threshold; what is not undone is its history",
)
Index(
    "alert_transition_history_idx",
    alert_transition.c.threshold_id,
    alert_transition.c.at,
    unique=True,
    postgresql_where=text("undone_at IS NULL"),
)

alert_comment = Table(
    "alert_comment",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("alert_id", ForeignKey("alert.id"), nullable=False, index=True),
    Column("made_at", _instant, nullable=False, server_default=func.now()),
    Column("made_by", Text, nullable=False),
    Column("comment", Text),
    Column("reason", Text, comment="code of the facility file: why it fired"),
    Column("action", Text, comment="code of the facility file: what was done"),
    CheckConstraint("num_nonnulls(comment, reason, action) > 0", name="says"),
    comment="what people said of alerts; rows are only ever added",
)

threshold_state = Table(
    "threshold_state",
    metadata,
    Column("threshold_id", ForeignKey("threshold.id"), primary_key=True),
    Column("facility_id", Integer, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("projected", Boolean, nullable=False),
    Column("since", _instant, nullable=False),
    Column("at", _instant, nullable=False, comment="minute of the transition into it"),
    Column("value", Double, comment="while it fires: of the newest evaluation; null: unknown"),
    Column("value_at", _instant, comment="the minute that value is of"),
    comment="the newest transition of each threshold's history; none: inactive from the start",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("facility_id", ForeignKey("facility.id"), nullable=False),
    Column("kind", Text, nullable=False, comment="firing, no-data, resolved or test"),
    Column("target", Text, nullable=False, comment="the recipient: how, and its address"),
    Column("lane", Text, nullable=False, comment="messages of a lane are delivered in order"),
    Column("alert_id", ForeignKey("alert.id"), comment="null: a test"),
    Column("body", JSONB, nullable=False),
    Column("key", Text, nullable=False, comment="the same for every delivery of the message"),
    Column("created_at", _instant, nullable=False, server_default=func.clock_timestamp()),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", _instant, nullable=False, server_default=func.now()),
    Column("delivered_at", _instant),
    Column("abandoned_at", _instant),
    Column("last_error", Text),
    UniqueConstraint("target", "key"),
    comment="notifications: to whom, and whether they were accepted",
)
_waiting = text("delivered_at IS NULL AND abandoned_at IS NULL")
Index("outbox_due_idx", outbox.c.target, outbox.c.id, postgresql_where=_waiting)
Index("outbox_order_idx", outbox.c.target, outbox.c.lane, outbox.c.id, postgresql_where=_waiting)
Index("outbox_told_idx", outbox.c.target, outbox.c.lane, outbox.c.id)
