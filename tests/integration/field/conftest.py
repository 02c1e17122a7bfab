from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.field.bench import FieldBench


@pytest.fixture
def field(database_url: str) -> Iterator[FieldBench]:
    """Ingest's steps and the aggregator over a database of the test's own."""
    made = FieldBench(database_url)
    yield made
    made.close()
