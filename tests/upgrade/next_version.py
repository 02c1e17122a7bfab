"""A version after this one: this code, and a migration that adds something to every table."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from services.core.store.database.schema_version import newest_revision
from tests.patience import PATIENCE_S
from tests.repository.files import ROOT

REVISION = "9999"

_MIGRATION = '''"""Add to every table what older code does not notice."""

from alembic import op
from sqlalchemy import text

from services.core.store.schema.compatibility import EXPANDS

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
compatible_from = EXPANDS


def upgrade() -> None:
    """Widen all of them, and add a table, a view and an index."""
    tables = op.get_bind().execute(text(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        " AND tablename <> 'alembic_version' ORDER BY 1")).scalars().all()
    for table in tables:
        op.execute(f'ALTER TABLE "{{table}}" ADD next_note text,'
                   f' ADD next_count integer NOT NULL DEFAULT 7')
    op.execute("CREATE TABLE next_table (a integer PRIMARY KEY)")
    op.execute("CREATE VIEW next_view AS SELECT next_note FROM facility")
    op.execute("CREATE INDEX next_idx ON emission_hour (hour) WHERE next_count > 7")
'''

_MAIN = "from services.cli import main; main()"


def add_migration(services: Path) -> None:
    """Make the next version of a copy of the code."""
    versions = services / "core/store/schema/migrations/versions"
    (versions / f"{REVISION}_next.py").write_text(
        _MIGRATION.format(revision=REVISION, before=newest_revision()), encoding="utf-8"
    )


class NextVersion:
    """Its code, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        shutil.copytree(
            ROOT / "services", directory / "services", ignore=shutil.ignore_patterns("__pycache__")
        )
        add_migration(directory / "services")

    def run(self, *words: str, url: str, network: str | None = None) -> str:
        """Run a command of it on a database, which is in a network of its own if one is named."""
        inside = [] if network is None else ["ip", "netns", "exec", network]
        ended = subprocess.run(
            [*inside, sys.executable, "-c", _MAIN, *words],
            cwd=self._directory,
            env={**os.environ, "PYTHONPATH": str(self._directory), "TONNE_DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout
