"""Connections that threads read by are closed with the process, and cut where a server hangs."""

from __future__ import annotations

import threading

import psycopg
import pytest

from services.core.store.database import open_connections
from services.core.store.database.transactions import ReadingConnections, reading
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.database


def test_one_that_is_in_use_when_they_are_closed_is_closed_when_it_is_given_back(
    database_url: str,
) -> None:
    connections = ReadingConnections(database_url, process="api", idle=4)
    with connections.reading() as first, connections.reading() as last:
        assert first is not last
    with connections.reading() as again:
        # of those that nobody uses the one that was given back last
        assert again is first
        connections.close()
        assert last.closed
        assert not again.closed
    assert again.closed


def test_whoever_waits_for_a_statement_is_let_go(database_url: str) -> None:
    begun = threading.Event()
    ended: list[psycopg.OperationalError] = []

    def wait() -> None:
        try:
            with reading(database_url, process="test") as connection:
                begun.set()
                connection.execute("SELECT pg_sleep(600)")
        except psycopg.OperationalError as error:
            ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert begun.wait(PATIENCE_S)
    assert open_connections.cut(database_url) == 1
    waiting.join(PATIENCE_S)
    assert len(ended) == 1
    assert open_connections.cut("postgresql://nowhere/") == 0
