"""Averages beyond a valid calibration range, from readings to notices and explanations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.api.models.explain import explain_body
from services.core.store.answers.explain import explain_hour
from services.core.store.operations import calibration_ranges
from tests.integration.aggregator.plant import Plant, apply_text
from tests.integration.aggregator.test_audits_and_loads import explained, file
from tests.integration.aggregator.test_closing import HOUR, MINUTE, START, close_all, hour_of

#: A Sunday: the function is in force from the week that begins the day after on.
FUNCTION = "{valid_from: 2026-03-01, a: 1, b: 1.1, valid_range: [0, RANGE], citation: QAL2 4/2026}"


def calibrated(greatest: str = "13.0") -> str:
    function = FUNCTION.replace("RANGE", greatest)
    return file().replace("basis: wet", f"basis: wet, calibration_functions: [{function}]", 1)


def beyond(plant: Plant) -> list[Any]:
    rows = plant.rows(
        "SELECT beyond_calibration FROM source_hour_input WHERE role = 'co2' ORDER BY hour"
    )
    return [value for (value,) in rows]


def told(
    plant: Plant, now: datetime, facility: str | None = None, monitors: int = 1000
) -> list[tuple[str, str, str]]:
    asked = {"facility": facility, "now": now, "monitors": monitors}
    rows: Any = plant.connection.execute(calibration_ranges.MONITORS, asked).fetchall()
    return calibration_ranges.sentences(rows, now)


def test_averages_beyond_the_range_are_recorded_as_they_are_calibrated(database_url: str) -> None:
    plant = Plant(database_url, calibrated())
    # by the function 12.0, 14.2 and, of half an hour, nothing that is valid
    plant.store(hour_of(0, 10.0, 1_200_000) + hour_of(1, 12.0, 1_200_000))
    plant.store(hour_of(2, 12.0, 1_200_000, range(10)))
    close_all(plant, START + 3 * HOUR + 20 * MINUTE)
    assert beyond(plant) == [False, True, True]
    closing = explained(plant, 1)["calibration_ranges"]["co2"]
    assert closing["beyond"] is True
    assert closing["function"]["citation"] == "QAL2 4/2026"
    assert closing["weeks"] == [{"week": "2026-W09", "values": 2, "beyond": 1, "percent": 50.0}]
    assert closing["calibration_due"] is False
    assert explained(plant, 2)["calibration_ranges"]["co2"]["beyond"] is None
    # readings as sent, and what they were worth
    hour = START + HOUR
    then = explain_hour(
        plant.connection,
        facility="works",
        source="stack",
        hour=hour,
        as_of=datetime.now(UTC),
        past=True,
    )
    body = explain_body(then, facility="works", source="stack", hour=hour, as_of=hour)
    assert body["closing"]["calibration_ranges"]["co2"]["weeks"][0]["beyond"] == 1
    co2 = next(item for item in body["inputs"] if item["role"] == "co2")
    assert (co2["mean"], co2["readings"]["mean"]) == (pytest.approx(14.2), 12.0)
    (in_force,) = co2["in_force"]
    assert in_force["from"] == datetime(2026, 3, 1, tzinfo=UTC)
    assert in_force["calibration_function"]["b"] == 1.1
    # a range that was wrong counts anew
    apply_text(database_url, calibrated("14.5"))
    close_all(plant, START + 3 * HOUR + 30 * MINUTE)
    assert beyond(plant) == [False, False, False]
    plant.close()


_WEEKS = """
INSERT INTO source_hour_input (source_id, role, hour, average, covered_ms, operating_ms, valid,
                               verdict, verdict_reason, code, reason, beyond_calibration)
SELECT s.id, 'co2', h, 12, 3600000, 3600000, true, 'quadrants', '', '01', '',
       extract(isodow FROM h) = 1 AND extract(hour FROM h) < %s
FROM source s CROSS JOIN generate_series(%s::timestamptz, %s::timestamptz, interval '1 hour') h
"""


@pytest.mark.parametrize(
    ("each_week", "until", "is_due"),
    [
        # 9 of 168 are more than 5 %: the sixth week is over on 13 April
        (9, "2026-04-12T23:00:00Z", False),
        (9, "2026-04-13T00:00:00Z", True),
        (8, "2026-06-01T00:00:00Z", False),
    ],
)
def test_weeks_beyond_the_range_are_told(
    database_url: str, each_week: int, until: str, is_due: bool
) -> None:
    plant = Plant(database_url, calibrated())
    plant.connection.execute(_WEEKS, (each_week, "2026-03-01T00:00:00Z", until))
    now = datetime.fromisoformat(until)
    found = told(plant, now)
    assert [code for code, _, _ in found] == (["calibration-range"] if is_due else [])
    assert told(plant, now, "another") == []
    if is_due:
        ((_, facility, sentence),) = found
        assert facility == "works"
        assert "cems.co2 needs a new calibration (QAL2 of EN 14181): in 6 weeks more" in sentence
    # a function of a new test begins anew, and what is not valid counts for nothing
    again = FUNCTION.replace("2026-03-01", "2026-04-05").replace("RANGE", "13.0")
    apply_text(
        database_url,
        calibrated().replace("citation: QAL2 4/2026}", f"citation: QAL2 4/2026}}, {again}"),
    )
    assert told(plant, now) == []
    plant.close()


def test_nothing_is_told_while_a_week_runs(database_url: str) -> None:
    plant = Plant(database_url, calibrated())
    plant.connection.execute(_WEEKS, (24, "2026-03-02T00:00:00Z", "2026-03-03T12:00:00Z"))
    assert told(plant, datetime(2026, 3, 3, 12, tzinfo=UTC)) == []
    ((code, _, sentence),) = told(plant, datetime(2026, 3, 9, tzinfo=UTC))
    assert code == "calibration-range"
    assert "in the week of 2026-03-02 24 of 37 averages lay beyond" in sentence
    plant.close()


def test_monitors_that_are_not_looked_at_are_counted(database_url: str) -> None:
    function = FUNCTION.replace("RANGE", "13.0")
    text = file().replace("basis: wet", f"basis: wet, calibration_functions: [{function}]")
    plant = Plant(database_url, text)
    assert told(plant, START) == []
    ((code, _, sentence),) = told(plant, START, monitors=1)
    assert code == "more-notices"
    assert "looked at for calibration ranges here, and 1 more are not" in sentence
    plant.close()
