"""Keep since when each reading and each input of a judged hour was known; let no hour be deleted.

Readings from before are taken to be known as they arrived. What replaced another one is known since
then, as far as the record of corrections tells.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_CORRECT_READING = """
CREATE OR REPLACE FUNCTION correct_reading(
    of_channel integer, at timestamptz, now_value double precision, now_quality smallint,
    now_time_source smallint, now_received_at timestamptz, by text, why text, entry bigint
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO reading_correction
        (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
         new_quality, corrected_by, note, quarantine_id, old_known_at)
    SELECT channel_id, ts, value, quality, time_source, received_at, now_value, now_quality, by,
           why, entry, known_at
    FROM reading
    WHERE channel_id = of_channel AND ts = at
      AND (value, quality) IS DISTINCT FROM (now_value, now_quality)
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE reading SET value = now_value, quality = now_quality, time_source = now_time_source,
                       received_at = now_received_at, known_at = now()
    WHERE channel_id = of_channel AND ts = at;
    RETURN true;
END $$
"""

_SUPERSEDE_READING = """
CREATE OR REPLACE FUNCTION supersede_reading(
    of_channel integer, at timestamptz, now_value double precision, now_quality smallint,
    now_time_source smallint, now_received_at timestamptz, was_value double precision,
    was_quality smallint, by text, why text, wins boolean
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    stored reading;
BEGIN
    SELECT * INTO stored FROM reading
    WHERE channel_id = of_channel AND ts = at
      AND (value, quality) IS NOT DISTINCT FROM (was_value, was_quality)
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF wins THEN
        INSERT INTO reading_correction
            (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
             new_quality, corrected_by, note, old_known_at)
        VALUES (of_channel, at, was_value, was_quality, stored.time_source, stored.received_at,
                now_value, now_quality, by, why, stored.known_at);
        UPDATE reading SET value = now_value, quality = now_quality, time_source = now_time_source,
                           received_at = now_received_at, known_at = now()
        WHERE channel_id = of_channel AND ts = at;
    ELSE
        INSERT INTO reading_correction
            (channel_id, ts, old_value, old_quality, old_time_source, old_received_at, new_value,
             new_quality, corrected_by, note, old_known_at)
        SELECT of_channel, at, now_value, now_quality, now_time_source, now_received_at, was_value,
               was_quality, by, why, now()
        WHERE NOT EXISTS (
            SELECT FROM reading_correction
            WHERE channel_id = of_channel AND ts = at
              AND (old_value, old_quality) IS NOT DISTINCT FROM (now_value, now_quality));
    END IF;
    RETURN wins;
END $$
"""

_DISCARD_READINGS = """
CREATE OR REPLACE FUNCTION discard_readings(
    of_channel integer, since timestamptz, until timestamptz, most bigint, by text, why text
) RETURNS SETOF timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (
        DELETE FROM reading WHERE channel_id = of_channel AND ts >= since AND ts < until
          AND ts = ANY(ARRAY(
            SELECT ts FROM reading WHERE channel_id = of_channel AND ts >= since AND ts < until
            ORDER BY ts LIMIT most))
        RETURNING ts, value, quality, time_source, received_at, known_at)
    INSERT INTO discarded_reading
        (channel_id, ts, value, quality, time_source, received_at, discarded_by, reason, known_at)
    SELECT of_channel, ts, value, quality, time_source, received_at, by, why, known_at
    FROM gone ORDER BY ts
    RETURNING ts
$$
"""

_REDATE_HOURS = """
CREATE OR REPLACE FUNCTION redate_hours(of_sources integer[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz := clock_timestamp();
    redated bigint;
    of_history bigint;
BEGIN
    UPDATE emission_hour
    SET known_at = least(known_at, present), opened_at = least(opened_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, opened_at) > present;
    GET DIAGNOSTICS redated = ROW_COUNT;
    UPDATE emission_hour_history
    SET known_at = least(known_at, present), superseded_at = least(superseded_at, present)
    WHERE source_id = ANY(of_sources) AND greatest(known_at, superseded_at) > present;
    GET DIAGNOSTICS of_history = ROW_COUNT;
    UPDATE source_hour_input SET known_at = present
    WHERE source_id = ANY(of_sources) AND known_at > present;
    RETURN redated + of_history;
END $$
"""

# A reading that lost against the stored one came after it; its place in the record began and ended
# at once. What was accepted out of quarantine, or came later than what it replaced, won.
_LOST = """
UPDATE reading_correction c SET old_known_at = c.corrected_at
FROM reading r
WHERE r.channel_id = c.channel_id AND r.ts = c.ts AND c.quarantine_id IS NULL
  AND r.received_at <= c.old_received_at
"""
_WON = """
UPDATE reading r SET known_at = c.corrected_at
FROM (SELECT channel_id, ts, max(corrected_at) AS corrected_at FROM reading_correction
      WHERE old_known_at IS NULL GROUP BY 1, 2) c
WHERE r.channel_id = c.channel_id AND r.ts = c.ts
"""
_REPLACED = """
UPDATE reading_correction c SET old_known_at = p.corrected_at
FROM reading_correction c2
CROSS JOIN LATERAL (
    SELECT max(b.corrected_at) AS corrected_at FROM reading_correction b
    WHERE b.channel_id = c2.channel_id AND b.ts = c2.ts AND b.id < c2.id
      AND b.old_known_at IS NULL) p
WHERE c.id = c2.id AND c.old_known_at IS NULL AND p.corrected_at IS NOT NULL
"""
_INPUTS_KNOWN = """
UPDATE source_hour_input i SET known_at = h.known_at
FROM emission_hour h WHERE h.source_id = i.source_id AND h.hour = i.hour
"""

# A database that is made now has no roles yet.
_REVOKE = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tonne_aggregate') THEN
        REVOKE DELETE ON emission_hour, emission_minute FROM tonne_aggregate;
    END IF;
END $$
"""


def upgrade() -> None:
    """Add the columns, the history of inputs, and take the right to delete hours."""
    op.add_column(
        "reading",
        sa.Column(
            "known_at",
            sa.DateTime(timezone=True),
            comment="when it came to be stored as it is; null: as it arrived, within a second",
        ),
    )
    op.add_column(
        "reading_correction",
        sa.Column(
            "old_known_at",
            sa.DateTime(timezone=True),
            comment="since when the old one stood; not before it was corrected: it never did;"
            " null: as it arrived",
        ),
    )
    op.add_column(
        "discarded_reading",
        sa.Column(
            "known_at",
            sa.DateTime(timezone=True),
            comment="since when it was stored; null: as it arrived",
        ),
    )
    for statement in (_LOST, _WON, _REPLACED):
        op.execute(statement)
    op.add_column(
        "source_hour_input",
        sa.Column(
            "known_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
    )
    op.execute(_INPUTS_KNOWN)
    _create_history()
    for statement in (_CORRECT_READING, _SUPERSEDE_READING, _DISCARD_READINGS, _REDATE_HOURS):
        op.execute(statement)
    op.execute(_REVOKE)


def _create_history() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "source_hour_input_history",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("hour", instant, nullable=False),
        sa.Column(
            "average", sa.Numeric(), comment="as the rule records it, in the equation's unit"
        ),
        sa.Column("covered_ms", sa.Integer(), nullable=False),
        sa.Column(
            "operating_ms", sa.Integer(), nullable=False, comment="0: the unit did not operate"
        ),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False, comment="code of the validity policy"),
        sa.Column("verdict_reason", sa.Text(), nullable=False),
        sa.Column(
            "value", sa.Numeric(), comment="what entered the equation: the average or a substitute"
        ),
        sa.Column("code", sa.Text(), nullable=False, comment="method code of the value"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why this value"),
        sa.Column(
            "unadjusted",
            sa.Numeric(),
            comment="the average before the bias factor of an audit; null: none applies",
        ),
        sa.Column(
            "measured_code",
            sa.Text(),
            nullable=False,
            server_default="01",
            comment="method code of the average, where it is valid",
        ),
        sa.Column(
            "least_known",
            sa.Numeric(),
            comment="the average with readings above full scale; null: there are none",
        ),
        sa.Column("known_at", instant, nullable=False, server_default=sa.func.now()),
        sa.Column("superseded_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="source_hour_input_history_pkey"),
        comment="what equations were given before hours were judged again; rows are only ever"
        " added",
    )
    op.create_index(
        "source_hour_input_history_source_id_hour_idx",
        "source_hour_input_history",
        ["source_id", "hour"],
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
