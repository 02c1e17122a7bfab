"""Audits with deadlines, from the facility file to the hours in force, explanations and notices."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.core.store.operations import audits_due
from tests.integration.aggregator.plant import Plant, Reading, apply_text
from tests.integration.aggregator.test_audits_and_loads import explained, file, load
from tests.integration.aggregator.test_closing import (
    HOUR,
    MINUTE,
    START,
    close_all,
    hour_of,
    hours,
)

#: The last hours of the grace of a linearity check of 2025's third quarter, and those after them.
FIRST = int((datetime(2026, 1, 7, 21, tzinfo=UTC) - START) / HOUR)
CHECK = "{at: 2025-08-10T09:00:00Z, kind: linearity, passed: true}"
NEXT = "{at: 2026-01-08T01:00:00Z, kind: linearity, passed: true}"


def with_audits(*audits: str, deadlines: str = ", audit_deadlines: part75") -> str:
    return file().replace("basis: wet", f"basis: wet, audits: [{', '.join(audits)}]{deadlines}", 1)


def run(plant: Plant, count: int, *, idle: tuple[int, ...] = ()) -> None:
    plant.store([load(FIRST + n, 0 if n in idle else 80) for n in range(count)])
    plant.store([r for n in range(count) for r in hour_of(FIRST + n, 12.0, 1_200_000)])
    close_all(plant, START + (FIRST + count) * HOUR + 20 * MINUTE)


def told(plant: Plant, now: str, monitors: int = 1000) -> list[tuple[str, str, str]]:
    rows: Any = plant.connection.execute(
        audits_due.MONITORS, {"facility": "works", "monitors": monitors}
    ).fetchall()
    return audits_due.sentences(rows, datetime.fromisoformat(now))


def test_a_linearity_check_expires_168_operating_hours_after_its_deadline(
    database_url: str,
) -> None:
    plant = Plant(database_url, with_audits(CHECK))
    run(plant, 5)
    # hours 168 and 169 of operation since the quarter began are those before and after midnight
    measured, filled = ("measured", "quadrants"), ("substituted", "co2:07")
    assert [h[2:4] for h in hours(plant)[:5]] == [measured] * 3 + [filled] * 2
    in_grace, expired = (explained(plant, FIRST + n)["inputs"][0] for n in (2, 3))
    assert "was due before 2026-01-01T00:00Z: in its grace" in in_grace["verdict_reason"]
    assert (
        "linearity check expired: it was due before 2026-01-01T00:00Z, where its grace period"
        in expired["verdict_reason"]
    )
    changes = apply_text(database_url, with_audits(CHECK, NEXT), by="key audit")
    assert "~ channel cems.co2" in changes
    close_all(plant, START + (FIRST + 5) * HOUR + 30 * MINUTE)
    assert [h[2:4] for h in hours(plant)[:5]] == [measured] * 3 + [filled, measured]
    plant.close()


def test_an_hour_that_turns_out_idle_keeps_a_later_one_in_grace(database_url: str) -> None:
    plant = Plant(database_url, with_audits(CHECK))
    run(plant, 5)
    assert [h[3] for h in hours(plant)[3:5]] == ["co2:07"] * 2
    late = Reading("boiler.load", START + FIRST * HOUR + HOUR + MINUTE / 60, 0.0)
    plant.store([late])
    close_all(plant, START + (FIRST + 5) * HOUR + 30 * MINUTE)
    assert [h[3] for h in hours(plant)[1:5]] == [
        "not-operating",
        "quadrants",
        "quadrants",
        "co2:07",
    ]
    plant.close()


def test_an_audit_has_no_deadline_where_the_file_does_not_ask_for_it(database_url: str) -> None:
    plant = Plant(database_url, with_audits(CHECK, deadlines=""))
    run(plant, 5)
    assert [h[3] for h in hours(plant)[:5]] == ["quadrants"] * 5
    assert told(plant, "2026-02-01T00:00:00+00:00") == []
    plant.close()


@pytest.mark.parametrize(
    ("now", "code"),
    [
        ("2025-12-01T23:00:00+00:00", None),
        ("2025-12-02T00:00:00+00:00", "audit-due"),
        ("2025-12-31T23:59:00+00:00", "audit-due"),
        ("2026-01-01T00:00:00+00:00", "audit-in-grace"),
        ("2026-01-07T23:59:00+00:00", "audit-in-grace"),
        ("2026-01-08T00:00:00+00:00", "audit-expired"),
    ],
)
def test_what_is_due_is_told_beforehand(database_url: str, now: str, code: str | None) -> None:
    plant = Plant(database_url, with_audits(CHECK))
    found = told(plant, now)
    assert [each[0] for each in found] == ([code] if code else [])
    assert all("linearity check of cems.co2" in sentence for _, _, sentence in found)
    plant.close()


def test_monitors_that_are_not_looked_at_are_counted(database_url: str) -> None:
    audits = "audits: [{at: 2025-08-10T09:00:00Z, passed: true}], audit_deadlines: part75"
    plant = Plant(database_url, file().replace("basis: wet", f"basis: wet, {audits}"))
    both = told(plant, "2027-06-01T00:00:00+00:00")
    assert [code for code, _, _ in both] == ["audit-expired"] * 2
    first, (code, _, sentence) = told(plant, "2027-06-01T00:00:00+00:00", monitors=1)
    assert (first, code) == (both[0], "more-notices")
    assert "looked at for deadlines of audits here, and 1 more are not" in sentence
    plant.close()
