"""Find the newest backup in the audit log at once, however long the log is."""

from __future__ import annotations

from alembic import op

revision = "0095"
down_revision = "0092"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index, of the entries that backups wrote."""
    op.execute(
        "CREATE INDEX audit_entry_backup_idx ON audit_entry (id) WHERE action = 'backup.take'"
    )


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
