"""A factor is corrected while the aggregator computes, or after it read its plan.

Whatever is computed then counts by the corrected one, and so does what is computed for the first
time: of that nothing is there yet that could be queued.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from services.core.store.emissions import claims
from tests.integration.aggregator.plant import Plant, apply_text
from tests.integration.aggregator.test_clock_jumps import RULED, START, Bench, readings
from tests.patience import until

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


#: Whether somebody waits for a lock of a facility.
WAITED_FOR = """
SELECT FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted
"""


@pytest.mark.parametrize("known_s", [0, 600])
def test_what_is_computed_waits_for_the_plan_that_it_is_of(
    known_s: int, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[list[str]] = []

    def lock(*arguments: Any) -> bool:
        """Take the facility, before that for the first time after somebody applied a file."""
        if not applied:
            applied.append(apply_text(database_url, CORRECTED))
        return taken(*arguments)

    with closing(Plant(database_url, RULED)) as plant:
        bench = Bench(database_url, plant, monkeypatch)
        bench.go_on(known_s, step_s=60)
        assert plant.rows(COUNTED_BY) == [(0.2,)] * (known_s > 0)
        taken = claims.lock
        monkeypatch.setattr(claims, "lock", lock)
        bench.go_on(180, step_s=60)
        assert applied
        assert plant.rows("SELECT FROM recompute") == []
        assert plant.rows(COUNTED_BY) == [(0.3,)]


def test_whoever_applies_a_file_sees_what_is_computed_meanwhile(database_url: str) -> None:
    with closing(Plant(database_url, RULED)) as plant, ThreadPoolExecutor(1) as pool:
        at = START
        for _ in range(5):
            at += timedelta(minutes=1)
            plant.store(readings(at))
        with plant.connection.transaction():
            # the first hour that there is, by the factor of before
            assert plant.tick_once(at).worked
            assert plant.rows(COUNTED_BY) == [(0.2,)]
            applying = pool.submit(apply_text, database_url, CORRECTED)
            until(
                lambda: applying.done() or plant.rows(WAITED_FOR),
                "the file was applied, or waits for what is computed",
            )
        assert applying.result()
        plant.tick(at)
        assert plant.rows(COUNTED_BY) == [(0.3,)]
