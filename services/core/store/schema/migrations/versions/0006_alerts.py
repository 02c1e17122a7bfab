"""Thresholds, their alerts, and the outbox of what is told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; what facility files say of thresholds comes in when they are applied."""
    op.add_column(
        "facility_progress",
        sa.Column(
            "judged_to",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="newest minute that thresholds were judged in",
        ),
    )
    _create_threshold()
    _create_threshold_revision()
    _create_maintenance()
    _create_alert()
    _create_alert_transition()
    _create_alert_comment()
    _create_threshold_state()
    _create_outbox()


def _create_threshold() -> None:
    op.create_table(
        "threshold",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column(
            "origin",
            sa.Text(),
            nullable=False,
            comment="who may change it: the facility file or API",
        ),
        sa.Column("version", sa.Integer(), nullable=False, comment="raised with every change"),
        sa.Column(
            "spec",
            postgresql.JSONB(astext_type=Text()),
            nullable=False,
            comment="as in a facility file",
        ),
        sa.Column(
            "source_id", sa.Integer(), nullable=True, comment="with the next three: what is watched"
        ),
        sa.Column("scope", sa.SmallInteger(), nullable=True),
        sa.Column("channel_id", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column(
            "in_force_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="first minute that it judges",
        ),
        sa.CheckConstraint("origin IN ('file', 'api')", name=op.f("threshold_origin_check")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name=op.f("threshold_channel_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("threshold_device_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("threshold_facility_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["source.id"], name=op.f("threshold_source_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("threshold_pkey")),
        sa.UniqueConstraint("facility_id", "slug", name=op.f("threshold_facility_id_slug_key")),
        comment="limits that are watched; all four targets null: the whole facility",
    )
    # ### end Alembic commands ###


def _create_threshold_revision() -> None:
    op.create_table(
        "threshold_revision",
        sa.Column("threshold_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "spec",
            postgresql.JSONB(astext_type=Text()),
            nullable=True,
            comment="null: taken out of force",
        ),
        sa.Column(
            "known_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["threshold_id"], ["threshold.id"], name=op.f("threshold_revision_threshold_id_fkey")
        ),
        sa.PrimaryKeyConstraint("threshold_id", "version", name=op.f("threshold_revision_pkey")),
        comment="every version that a threshold ever had",
    )
    # ### end Alembic commands ###


def _create_maintenance() -> None:
    op.create_table(
        "maintenance",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("from_ts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_ts", sa.DateTime(timezone=True), nullable=False, comment="exclusive"),
        sa.Column(
            "sources",
            postgresql.ARRAY(Text()),
            nullable=True,
            comment="with thresholds null: everything",
        ),
        sa.Column("thresholds", postgresql.ARRAY(Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stated_by", sa.Text(), nullable=True),
        sa.Column(
            "stated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("active", sa.Boolean(), server_default="true", nullable=False),
        sa.CheckConstraint("origin IN ('file', 'api')", name=op.f("maintenance_origin_check")),
        sa.CheckConstraint("to_ts > from_ts", name=op.f("maintenance_span_check")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("maintenance_facility_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("maintenance_pkey")),
        sa.UniqueConstraint("facility_id", "slug", name=op.f("maintenance_facility_id_slug_key")),
        comment="spans in which alerts are judged and kept, and not told",
    )
    # ### end Alembic commands ###


def _create_alert() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("threshold_id", sa.Integer(), nullable=False),
        sa.Column("threshold_version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "projected", sa.Boolean(), nullable=False, comment="the limit was not passed yet"
        ),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="first minute beyond the limit",
        ),
        sa.Column(
            "fired_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it had lasted long enough",
        ),
        sa.Column(
            "resolved_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: it has not ended",
        ),
        sa.Column("value", sa.Double(), nullable=True, comment="when it fired; null: unknown"),
        sa.Column("limit_value", sa.Double(), nullable=False),
        sa.Column(
            "crosses_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="projected: when the limit will be passed",
        ),
        sa.Column(
            "room",
            sa.Double(),
            nullable=True,
            comment="what was left up to the limit, in the value's unit",
        ),
        sa.Column(
            "data_version",
            sa.BigInteger(),
            nullable=False,
            comment="facility_progress.sequence seen",
        ),
        sa.Column(
            "maintenance_id", sa.Integer(), nullable=True, comment="what kept it from being told"
        ),
        sa.Column(
            "told", sa.Boolean(), nullable=False, comment="its firing was put into the outbox"
        ),
        sa.Column("acked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acked_by", sa.Text(), nullable=True),
        sa.Column(
            "undone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when changed data showed that it never was",
        ),
        sa.Column("undone_by", sa.Text(), nullable=True, comment="why the data changed"),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('firing', 'no-data', 'resolved')", name=op.f("alert_state_check")
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("alert_facility_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["maintenance_id"], ["maintenance.id"], name=op.f("alert_maintenance_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["threshold_id"], ["threshold.id"], name=op.f("alert_threshold_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alert_pkey")),
        comment="spans of time beyond a limit",
    )
    op.create_index(
        "alert_facility_id_fired_at_idx", "alert", ["facility_id", "fired_at"], unique=False
    )
    op.create_index(
        "alert_facility_id_changed_at_idx", "alert", ["facility_id", "changed_at"], unique=False
    )
    op.create_index(
        "alert_open_idx",
        "alert",
        ["facility_id", "threshold_id"],
        unique=False,
        postgresql_where=sa.text("resolved_at IS NULL AND undone_at IS NULL"),
    )
    op.create_index(op.f("alert_threshold_id_idx"), "alert", ["threshold_id"], unique=False)
    # ### end Alembic commands ###


def _create_alert_transition() -> None:
    op.create_table(
        "alert_transition",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("threshold_id", sa.Integer(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), nullable=False, comment="the minute it happened in"
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="from then on"),
        sa.Column("projected", sa.Boolean(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="first minute of what led to it",
        ),
        sa.Column("value", sa.Double(), nullable=True, comment="null: unknown"),
        sa.Column("limit_value", sa.Double(), nullable=False),
        sa.Column(
            "data_version",
            sa.BigInteger(),
            nullable=False,
            comment="facility_progress.sequence seen",
        ),
        sa.Column(
            "judged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "undone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when changed data showed that it never happened",
        ),
        sa.CheckConstraint(
            "state IN ('inactive', 'pending', 'firing', 'firing-no-data', 'resolved', 'no-data')",
            name=op.f("alert_transition_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["threshold_id"], ["threshold.id"], name=op.f("alert_transition_threshold_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alert_transition_pkey")),
        comment="every transition of every threshold; what is not undone is its history",
    )
    op.create_index(
        "alert_transition_history_idx",
        "alert_transition",
        ["threshold_id", "at"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    # ### end Alembic commands ###


def _create_alert_comment() -> None:
    op.create_table(
        "alert_comment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name=op.f("alert_comment_alert_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alert_comment_pkey")),
        comment="what people said of alerts; rows are only ever added",
    )
    op.create_index(op.f("alert_comment_alert_id_idx"), "alert_comment", ["alert_id"], unique=False)
    # ### end Alembic commands ###


def _create_threshold_state() -> None:
    op.create_table(
        "threshold_state",
        sa.Column("threshold_id", sa.Integer(), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("projected", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="minute of the transition into it",
        ),
        sa.ForeignKeyConstraint(
            ["threshold_id"], ["threshold.id"], name=op.f("threshold_state_threshold_id_fkey")
        ),
        sa.PrimaryKeyConstraint("threshold_id", name=op.f("threshold_state_pkey")),
        comment="the newest transition of each threshold's history; none: inactive from the start",
    )
    op.create_index(
        op.f("threshold_state_facility_id_idx"), "threshold_state", ["facility_id"], unique=False
    )
    # ### end Alembic commands ###


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="firing, no-data, resolved or test"),
        sa.Column(
            "target", sa.Text(), nullable=False, comment="the recipient: how, and its address"
        ),
        sa.Column(
            "lane", sa.Text(), nullable=False, comment="messages of a lane are told in order"
        ),
        sa.Column("alert_id", sa.BigInteger(), nullable=True, comment="null: a test"),
        sa.Column("body", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="the same for every delivery of the message"
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "next_try_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("abandoned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("outbox_alert_id_fkey")),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("outbox_facility_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
        sa.UniqueConstraint("target", "key", name=op.f("outbox_target_key_key")),
        comment="what is to be told, to whom, and whether it was",
    )
    op.create_index(
        "outbox_due_idx",
        "outbox",
        ["target", "id"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL AND abandoned_at IS NULL"),
    )
    op.create_index(
        "outbox_order_idx",
        "outbox",
        ["target", "lane", "id"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL AND abandoned_at IS NULL"),
    )
    op.create_index("outbox_told_idx", "outbox", ["target", "lane", "id"], unique=False)
    # ### end Alembic commands ###


def downgrade() -> None:
    """Refuse: what was told is never thrown away by stepping back."""
    raise NotImplementedError
