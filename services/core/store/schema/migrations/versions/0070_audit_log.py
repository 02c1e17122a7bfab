"""Record who did what, from where, before and after."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0070"
down_revision = "0063"
branch_labels = None
depends_on = None

_SEAL = """
CREATE OR REPLACE FUNCTION seal_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'entries of the audit log are neither changed nor deleted'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.made_at := statement_timestamp();
    NEW.login := session_user;
    NEW.made_by := coalesce(NEW.made_by, 'login ' || session_user);
    NEW.address := coalesce(nullif(current_setting('tonne.address', true), ''),
                            host(inet_client_addr()), 'this machine');
    RETURN NEW;
END $$
"""

_TRIGGERS = (
    (
        "CREATE TRIGGER audit_entry_is_sealed BEFORE INSERT OR UPDATE OR DELETE ON audit_entry"
        " FOR EACH ROW EXECUTE FUNCTION seal_audit_entry()"
    ),
    (
        "CREATE TRIGGER audit_log_is_whole BEFORE TRUNCATE ON audit_entry"
        " FOR EACH STATEMENT EXECUTE FUNCTION seal_audit_entry()"
    ),
)


def upgrade() -> None:
    """Add the log; it begins now."""
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "made_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("made_by", sa.Text(), nullable=False, comment="who, as the program tells it"),
        sa.Column(
            "login",
            sa.Text(),
            nullable=False,
            comment="what the program logged in to the database as",
        ),
        sa.Column(
            "address",
            sa.Text(),
            nullable=False,
            comment="of the client, or of the command's machine",
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("facility", sa.Text(), nullable=True, comment="null: it concerns all, or none"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "before",
            postgresql.JSONB(),
            nullable=True,
            comment="what was there of what changed",
        ),
        sa.Column(
            "after",
            postgresql.JSONB(),
            nullable=True,
            comment="what is there now, or what was asked for",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="as whoever did it gave it"),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entry_pkey")),
        comment="who did what, from where, before and after; rows are only ever added",
    )
    op.execute(_SEAL)
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    """Refuse: what was recorded is never thrown away by stepping back."""
    raise NotImplementedError
