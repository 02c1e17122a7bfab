"""Let whoever may add an organisation give it an id: a sequence of its own asks for more rights."""

from __future__ import annotations

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the ids an identity, as those of all other tables; organisations keep theirs."""
    op.execute("ALTER TABLE organisation ALTER COLUMN id DROP DEFAULT")
    op.execute("DROP SEQUENCE organisation_id_seq")
    op.execute("ALTER TABLE organisation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY")
    op.execute(
        "SELECT setval(pg_get_serial_sequence('organisation', 'id'), max(id)) FROM organisation"
        " HAVING max(id) IS NOT NULL"
    )


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
