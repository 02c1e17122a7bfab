"""Alembic's entry: runs the migrations on the connection that its caller opened."""

from __future__ import annotations

from alembic import context

from services.core.store.schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
context.run_migrations()
