"""A wire passes everything on, knows what was said, and stops who says it where it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.faults.wire import Wire, statements
from tests.patience import PATIENCE_S
from tests.services import Postgres

pytestmark = pytest.mark.database


@pytest.fixture
def wire(postgres_cluster: Postgres) -> Iterator[Wire]:
    wire = Wire(postgres_cluster.port, statements)
    yield wire
    wire.close()


def _connect(postgres_cluster: Postgres, wire: Wire) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        postgres_cluster.url.replace(f":{postgres_cluster.port}/", f":{wire.port}/")
    )


def _begin(work: psycopg.Connection[tuple[object, ...]]) -> tuple[threading.Thread, list[object]]:
    """Insert a row and commit, on a thread; what it heard is in the list."""
    heard: list[object] = []

    def run() -> None:
        try:
            work.execute("CREATE TABLE IF NOT EXISTS wired (n integer)")
            work.execute("INSERT INTO wired VALUES (%s)", (1,))
            work.commit()
            heard.append("committed")
        except psycopg.OperationalError:
            heard.append("lost")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, heard


def _rows(postgres_cluster: Postgres) -> int:
    with psycopg.connect(postgres_cluster.url) as connection:
        if connection.execute("SELECT to_regclass('wired')").fetchone() == (None,):
            return 0
        row = connection.execute("SELECT count(*) FROM wired").fetchone()
    return int(str(row[0])) if row else 0


@pytest.fixture(autouse=True)
def _no_table(postgres_cluster: Postgres) -> Iterator[None]:
    yield
    postgres_cluster.execute("DROP TABLE IF EXISTS wired")


def test_who_is_stopped_before_a_commit_and_cut_off_has_not_committed(
    postgres_cluster: Postgres, wire: Wire
) -> None:
    with _connect(postgres_cluster, wire) as connection:
        stop = wire.stop_at(r"^COMMIT\n.*INSERT INTO wired")
        thread, heard = _begin(connection)
        assert stop.reached.wait(PATIENCE_S)
        assert "INSERT INTO wired" in stop.text
        assert _rows(postgres_cluster) == 0
        wire.hang_up(stop)
        thread.join(PATIENCE_S)
        assert heard == ["lost"]
        assert _rows(postgres_cluster) == 0


def test_who_is_stopped_after_a_commit_and_cut_off_has_committed_and_does_not_know(
    postgres_cluster: Postgres, wire: Wire
) -> None:
    with _connect(postgres_cluster, wire) as connection:
        stop = wire.stop_at(r"^COMMIT\n.*INSERT INTO wired", after=True)
        thread, heard = _begin(connection)
        assert stop.reached.wait(PATIENCE_S)
        assert b"COMMIT" in stop.answer
        assert heard == []
        assert _rows(postgres_cluster) == 1
        wire.hang_up(stop)
        thread.join(PATIENCE_S)
        assert heard == ["lost"]


def test_who_is_let_go_has_lost_nothing(postgres_cluster: Postgres, wire: Wire) -> None:
    with _connect(postgres_cluster, wire) as connection:
        for after in (False, True):
            stop = wire.stop_at("^INSERT INTO wired", after=after)
            thread, heard = _begin(connection)
            assert stop.reached.wait(PATIENCE_S)
            wire.let_go(stop)
            thread.join(PATIENCE_S)
            assert heard == ["committed"]
    assert _rows(postgres_cluster) == 2
