"""A factor is corrected after the aggregator read its plan: what is queued waits for a new one."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from services.core.store.emissions import claims
from tests.integration.aggregator.plant import Plant, apply_text
from tests.integration.aggregator.test_clock_jumps import RULED, Bench

pytestmark = pytest.mark.database

CORRECTED = RULED.replace("co2_kg: 0.2,", "co2_kg: 0.3,")

#: kg per kWh that minutes and hours are counted by.
COUNTED_BY = """
SELECT DISTINCT round(co2_ug::numeric / nullif(activity_n, 0), 3)::float8 FROM (
    SELECT source_id, co2_ug, activity_n FROM emission_minute
    UNION ALL SELECT source_id, co2_ug, activity_n FROM emission_hour) t
JOIN source s ON s.id = t.source_id
WHERE s.slug = 'by-gauge' AND activity_n > 0
"""


def test_what_is_queued_waits_for_the_plan_that_it_is_of(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[list[str]] = []

    def lock(*arguments: Any) -> bool:
        """Take the facility, before that for the first time after somebody applied a file."""
        if not applied:
            applied.append(apply_text(database_url, CORRECTED))
        return taken(*arguments)

    with closing(Plant(database_url, RULED)) as plant:
        bench = Bench(database_url, plant, monkeypatch)
        bench.go_on(600, step_s=60)
        assert plant.rows(COUNTED_BY) == [(0.2,)]
        taken = claims.lock
        monkeypatch.setattr(claims, "lock", lock)
        bench.go_on(60, step_s=60)
        assert applied
        assert plant.rows("SELECT FROM recompute") == []
        assert plant.rows(COUNTED_BY) == [(0.3,)]
