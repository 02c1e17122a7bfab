"""Two readings timed by one arrival are both stored, and each delivery again is a duplicate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from services.core.timeline.instants import MICROSECOND
from tests.integration.field.bench import FieldBench

pytestmark = pytest.mark.database

_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: plug
    topic: plug
    format: json
    channels: [{id: power, from: p, quantity: power, unit: W, kind: gauge}]
"""
_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def plug(database_url: str) -> Iterator[FieldBench]:
    made = FieldBench(database_url)
    made.apply(_FILE)
    yield made
    made.close()


def deliver(plug: FieldBench, *powers: float) -> tuple[int, int, int]:
    outcome = plug.deliver([("plug", f'{{"p": {power}}}') for power in powers], at=_AT, told=True)
    return outcome.stored, outcome.duplicates, outcome.conflicts


def test_what_the_broker_stored_in_one_microsecond_is_kept_in_order(plug: FieldBench) -> None:
    assert deliver(plug, 1, 2, 3) == (3, 0, 0)
    assert deliver(plug, 4) == (1, 0, 0)
    assert plug.readings("plug.power") == [(_AT + k * MICROSECOND, k + 1, 0) for k in range(4)]
    assert plug.quarantine() == []


def test_what_is_delivered_again_is_there_already(plug: FieldBench) -> None:
    deliver(plug, 1, 2, 3)
    assert deliver(plug, 3) == (0, 1, 0)
    assert deliver(plug, 2, 3, 5) == (1, 2, 0)
    assert [value for _, value, _ in plug.readings("plug.power")] == [1, 2, 3, 5]


def test_more_than_is_looked_at_at_once(plug: FieldBench) -> None:
    powers = [float(k) for k in range(1, 1502)]
    assert deliver(plug, *powers) == (1501, 0, 0)
    assert [value for _, value, _ in plug.readings("plug.power")] == powers


def test_every_minute_that_was_moved_into_is_summarised(plug: FieldBench) -> None:
    last = _AT - MICROSECOND
    for power in (1, 2):
        plug.deliver([("plug", f'{{"p": {power}}}')], at=last, told=True)
    minutes = plug.rows("SELECT DISTINCT unnest(minutes) AS minute FROM touched ORDER BY 1")
    noon = int(_AT.timestamp() // 60)
    assert [row["minute"] for row in minutes] == [noon - 1, noon]
