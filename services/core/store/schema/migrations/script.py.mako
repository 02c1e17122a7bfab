"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
from services.core.store.schema.compatibility import EXPANDS

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

#: EXPANDS: nothing goes or changes that older code uses; else the revision of the oldest code that
#: no longer uses it, which was released before this is
compatible_from = EXPANDS


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
