"""Facilities with recipients, and a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.notify.harness import Make, Works, works_of
from tests.leaks import open_now, until_closed
from tests.receivers import Webhook


@pytest.fixture(autouse=True)
async def _leaves_nothing_open() -> AsyncIterator[None]:
    """What a test leaves open fails it, and no later one."""
    before = open_now()
    yield
    await until_closed(before)


@pytest.fixture
def make(database_url: str) -> Iterator[Make]:
    """Applies the facility ``works`` with the entries of ``notify`` that it is given, in YAML."""
    made: list[Works] = []

    def works(notify: str) -> Works:
        made.append(works_of(database_url, notify))
        return made[-1]

    yield works
    for each in made:
        each.connection.close()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """A receiver of webhooks."""
    with Webhook() as made:
        yield made
