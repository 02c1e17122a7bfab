"""How much of the demo's history a start publishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local import demo
from deploy.local.places import Places
from services.core.runtime.settings import Settings

_NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(local_dir=tmp_path, settings=Settings(), own_database=True, own_broker=True)


def test_the_first_start_publishes_ninety_days(places: Places) -> None:
    assert demo.missing_history(places, _NOW) == timedelta(days=90)


@pytest.mark.parametrize(
    ("stopped_ago", "missing"),
    [
        (timedelta(hours=3), timedelta(hours=3)),
        (timedelta(days=400), timedelta(days=90)),
        # a clock that was set back
        (timedelta(hours=-1), timedelta(0)),
    ],
)
def test_a_later_start_closes_the_gap_since_the_stop(
    places: Places, stopped_ago: timedelta, missing: timedelta
) -> None:
    demo.mark_history(places, _NOW - stopped_ago)
    assert demo.missing_history(places, _NOW) == missing


def test_an_unreadable_mark_counts_as_none(places: Places) -> None:
    places.history_mark.write_text("")
    assert demo.missing_history(places, _NOW) == timedelta(days=90)
