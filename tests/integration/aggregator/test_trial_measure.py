"""A measure is one class: one more is added to a copy of the product, and is all there is to it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.aggregator.plant import instant
from tests.integration.aggregator.watch import Watch

ROOT = Path(__file__).parents[3]
T0 = instant("2026-11-20T10:00:00Z")

TRIAL = """

class Doubled(Rate):
    name = "doubled"
    unit = "2 kg/h"
    unit_text = "twice kg CO2/h"

    def fill(self, values, thresholds, series):
        thresholds.put_sum(values.value, 2 * series.rate_kg_h, active_only=True)


MEASURES = (*MEASURES, Doubled())
"""

EVALUATED = """
import sys
from datetime import UTC, datetime

from services.aggregator.tick import tick
from services.core.facility.thresholds import Threshold
from services.core.store.database.connect import connect
from services.core.store.registry.plan import facility_plans

Threshold.stated({"id": "a", "scope": 1, "measure": "doubled", "above": 5})
properties = Threshold.model_json_schema()["properties"]
assert "doubled" in properties["measure"]["enum"]
assert "twice kg CO2/h (doubled)" in properties["above"]["description"]

connection = connect(sys.argv[1], process="test", autocommit=True)
(plan,) = facility_plans(connection).values()
while tick(connection, plan, datetime.fromisoformat(sys.argv[2])).worked:
    pass
"""


def test_one_class_is_all_that_a_trial_measure_needs(database_url: str, tmp_path: Path) -> None:
    works = Watch(
        database_url,
        "thresholds:\n  - {id: high, source: by-gauge, measure: rate, above: 20}\n",
        since=T0,
    )
    # 10 kg/h: not above the limit until it counts twice
    works.power(T0, [50, 50, 50])
    works.connection.execute(
        "UPDATE threshold SET spec = jsonb_set(spec, '{measure}', '\"doubled\"') ||"
        " '{\"above\": 15}'"
    )
    shutil.copytree(
        ROOT / "services", tmp_path / "services", ignore=shutil.ignore_patterns("__pycache__")
    )
    with (tmp_path / "services/core/accounting/alerting/measures/emissions.py").open("a") as file:
        file.write(TRIAL)
    now = (T0 + timedelta(minutes=2)).isoformat()
    done = subprocess.run(
        [sys.executable, "-c", EVALUATED, database_url, now],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ((kind, value, unit),) = works.rows(
        "SELECT kind, (body -> 'value')::float8, body ->> 'unit' FROM outbox"
    )
    works.close()
    assert (kind, unit) == ("firing", "2 kg/h")
    assert value == pytest.approx(20)
