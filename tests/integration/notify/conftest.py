"""Facilities with recipients, and a receiver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.notify.harness import Make, Works, works_of
from tests.receivers import Webhook


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
