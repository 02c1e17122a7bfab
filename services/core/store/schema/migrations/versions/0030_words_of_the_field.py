"""Comments say with the glossary's words what tables and columns hold."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_METHOD_CODE = "the method code of the rule that finalised the hour"
_COMMENTS = {
    "TABLE maintenance": "periods in which alerts are recorded and nobody is notified",
    "TABLE alert": "periods in which a threshold fired",
    "TABLE outbox": "notifications: to whom, and whether they were accepted",
    "TABLE recompute": "intervals to compute again after a change of configuration or factor,"
    " or later on",
    "TABLE source_hour_input": "inputs of the equation of each hour that a rule finalised;"
    " look-backs read them",
    "COLUMN threshold.in_force_from": "first minute evaluated",
    "COLUMN alert.maintenance_id": "the maintenance that muted it",
    "COLUMN outbox.lane": "messages of a lane are delivered in order",
    "COLUMN emission_hour.code": _METHOD_CODE,
    "COLUMN emission_hour_history.code": _METHOD_CODE,
    "COLUMN facility_progress.judged_to": "newest minute that thresholds were evaluated in",
}


def upgrade() -> None:
    """Replace the comments; nothing else changes."""
    for thing, comment in _COMMENTS.items():
        op.execute(f"COMMENT ON {thing} IS '{comment}'")


def downgrade() -> None:
    """Refuse: totals are never thrown away by stepping back."""
    raise NotImplementedError
