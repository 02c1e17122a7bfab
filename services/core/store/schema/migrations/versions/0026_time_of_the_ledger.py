"""Date the ledger by the time that processes go by, where the database's clock jumped."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_KNOWN_NOW = """
CREATE OR REPLACE FUNCTION known_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
SELECT CASE
    WHEN abs(extract(epoch FROM statement_timestamp())::float8
             - nullif(current_setting('tonne.now', true), '')::float8) > 5
    THEN to_timestamp(current_setting('tonne.now', true)::float8)
    ELSE statement_timestamp() END
$$
"""


def upgrade() -> None:
    """Make the function that dates it; nothing that is there changes its date."""
    op.execute(_KNOWN_NOW)


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
