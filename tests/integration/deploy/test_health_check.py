from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest

from services.core.store.database.progress import ProgressReporter
from tests.repository.files import ROOT, services
from tests.services import as_login


@pytest.mark.database
def test_a_process_is_healthy_while_its_main_loop_turns(database_url: str) -> None:
    check = services()["ingest"]["healthcheck"]["test"]
    assert check[:3] == ["CMD", "python", "-c"]

    def healthy() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", check[3]],
            env={**os.environ, "TONNE_DATABASE_URL": as_login(database_url, "tonne_ingest")},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode == 0

    assert not healthy()
    with psycopg.connect(database_url, autocommit=True) as connection:
        ProgressReporter("ingest").report(connection, {})
        assert healthy()
        connection.execute("UPDATE process_progress SET progressed_at = now() - interval '1 min'")
    assert not healthy()
