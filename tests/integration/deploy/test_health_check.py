from __future__ import annotations

import psycopg
import pytest

from services.core.store.database.progress import ProgressReporter
from tests.command import tonne
from tests.repository.files import services
from tests.services import as_login


@pytest.mark.database
def test_a_process_is_healthy_while_its_main_loop_turns(database_url: str) -> None:
    for name in ("ingest", "aggregator", "notifier"):
        assert services()[name]["healthcheck"]["test"] == ["CMD", "tonne", "alive"]

    def healthy() -> bool:
        return tonne(as_login(database_url, "tonne_ingest"), "alive").code == 0

    assert not healthy()
    with psycopg.connect(database_url, autocommit=True) as connection:
        ProgressReporter("ingest").report(connection, {})
        assert healthy()
        connection.execute("UPDATE process_progress SET progressed_at = now() - interval '1 min'")
    assert not healthy()


def test_nobody_is_started_again_because_the_database_is_away() -> None:
    ended = tonne("postgresql://tonne_ingest@127.0.0.1:1/tonne", "alive")
    assert (ended.code, ended.stdout) == (
        0,
        "the database does not answer; whether there is progress is not known\n",
    )
