"""The whole of tonne, with a broker and a database of its own for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.stack import Stack, running_stack
from tests.services import Nats, Postgres, server_directory


@pytest.fixture(scope="module")
def broker() -> Iterator[Nats]:
    """A broker that no other file has left sessions or retained messages in."""
    with server_directory() as directory:
        server = Nats(directory)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="module")
def stack(postgres_cluster: Postgres, migrated_template: str, broker: Nats) -> Iterator[Stack]:
    """The services, ready, with the demo facilities and no readings."""
    with (
        postgres_cluster.fresh_database(template=migrated_template) as database_url,
        running_stack(database_url=database_url, mqtt_url=broker.url) as running,
    ):
        yield running
