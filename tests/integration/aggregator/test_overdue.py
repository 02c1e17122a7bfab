from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.core.store.emissions.hour_closing import overdue_s
from tests.integration.aggregator.plant import Plant, Reading, instant

HOUR = instant("2026-11-20T10:00:00Z")


def test_an_hour_that_stays_open_is_overdue_from_its_lateness_on(database_url: str) -> None:
    works = Plant(database_url)
    assert overdue_s(works.connection) == 0
    works.store([Reading("meter.power", HOUR, 100.0)])
    works.tick(HOUR + timedelta(minutes=30))
    late_s = (datetime.now(HOUR.tzinfo) - HOUR - timedelta(hours=1, minutes=15)).total_seconds()
    assert overdue_s(works.connection) == pytest.approx(late_s, abs=60)
    # what changed a moment ago is still being filled
    works.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    works.tick(HOUR + timedelta(hours=2))
    assert overdue_s(works.connection) == 0
    works.close()
