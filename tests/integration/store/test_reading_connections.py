"""Connections that threads read by are closed with the process, whoever still uses one."""

from __future__ import annotations

import pytest

from services.core.store.database.transactions import ReadingConnections

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
