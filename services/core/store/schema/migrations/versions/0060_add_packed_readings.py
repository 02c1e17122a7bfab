"""Let ingest add packed days of readings: of history that comes in by file.

The function is created with the rights, in the same transaction.
"""

from __future__ import annotations

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change no table: services that call the function ask for this revision."""


def downgrade() -> None:
    """Refuse: what was measured is never thrown away by stepping back."""
    raise NotImplementedError
