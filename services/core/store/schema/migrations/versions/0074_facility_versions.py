"""Keep every text of a facility's file that comes into force, with who applied it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0074"
down_revision = "0076"
branch_labels = None
depends_on = None

#: The texts that are in force begin the history; the audit log knows who applied some of them.
_BEGIN = """
INSERT INTO facility_version (facility_id, number, applied_at, applied_by, sha256, file, changes)
SELECT f.id, 1, coalesce(a.made_at, f.applied_at), a.made_by, d.sha256, f.file,
       coalesce(a.after -> 'changes', '[]')
FROM facility f
CROSS JOIN LATERAL (SELECT encode(sha256(convert_to(f.file, 'UTF8')), 'hex') AS sha256) d
LEFT JOIN LATERAL (
    SELECT e.made_at, e.made_by, e.after FROM audit_entry e
    WHERE e.action = 'facility.apply' AND e.facility = f.slug AND e.after ->> 'sha256' = d.sha256
    ORDER BY e.id DESC LIMIT 1) a ON true
WHERE f.file IS NOT NULL
"""


def upgrade() -> None:
    """Add the table, and what is in force now as each facility's first version."""
    op.create_table(
        "facility_version",
        sa.Column("facility_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False, comment="from 1 on"),
        sa.Column(
            "applied_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "applied_by",
            sa.Text(),
            nullable=True,
            comment="null: it was applied before this was recorded",
        ),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the text, in hexadecimal"),
        sa.Column(
            "file", sa.Text(), nullable=False, comment="the text as it was applied, with comments"
        ),
        sa.Column(
            "changes",
            postgresql.JSONB(),
            nullable=False,
            comment="a list of lines; none: comments alone",
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"], ["facility.id"], name=op.f("facility_version_facility_id_fkey")
        ),
        sa.PrimaryKeyConstraint("facility_id", "number", name=op.f("facility_version_pkey")),
        comment="every text of a facility's file that came into force; rows are only ever added",
    )
    op.execute(_BEGIN)


def downgrade() -> None:
    """Refuse: what was recorded is never thrown away by stepping back."""
    raise NotImplementedError
