"""A month of a real household's meter, as often and in whatever order it arrives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Stack
from tests.patience import until

pytestmark = [pytest.mark.database, pytest.mark.broker]

SERIES = Path(__file__).parents[1] / "fixtures" / "household-hourly-kwh-2023-01.csv"
HOURS = 744
#: January 2023 on the household's own calendar, two hours ahead of UTC
JANUARY = {"from": "2022-12-31T22:00:00Z", "to": "2023-01-31T22:00:00Z"}


def replay(stack: Stack, facility: str, device: str, *flags: str) -> None:
    stack.simulate(
        "replay", str(SERIES), "--facility", facility, "--device", device, "--channel", "energy",
        *flags,
    )  # fmt: skip


def taken(stack: Stack, result: str) -> float:
    return stack.ingest.metric("tonne_ingest_readings_total", result=result)


def wait_until_taken(stack: Stack, *, stored: int, duplicate: float) -> None:
    """Wait for readings; the broker gives what is acknowledged late once more, so more may come."""
    until(lambda: taken(stack, "stored") == stored, f"{stored} readings are stored")
    until(lambda: taken(stack, "duplicate") >= duplicate, f"{duplicate} came a second time")
    until(stack.settled, "they are aggregated")


def hours(stack: Stack, facility: str) -> list[dict[str, Any]]:
    rows = stack.get("/v1/emissions", facility=facility, interval="1h", **JANUARY)
    assert len(rows) == HOURS
    return rows  # type: ignore[no-any-return]


def versions(stack: Stack, facility: str) -> list[tuple[str, int]]:
    return [(row["time"], row["version"]) for row in hours(stack, facility)]


def assert_totals(stack: Stack, facility: str) -> None:
    """The month as one row, and the same as the sum of its hours."""
    (month,) = stack.get("/v1/emissions", facility=facility, interval="1mo", **JANUARY)
    of_hours = hours(stack, facility)
    assert {row["coverage"] for row in of_hours} == {1.0}
    assert month["time"] == JANUARY["from"]
    assert month["coverage"] == 1.0
    for kwh, kg in (
        (month["activity"], month["co2_kg"]),
        (sum(r["activity"] for r in of_hours), sum(r["co2_kg"] for r in of_hours)),
    ):
        assert kwh == pytest.approx(980.797, abs=1e-5)
        assert kg == pytest.approx(245.19925, abs=1e-5)


def test_a_real_month_gives_its_total_however_often_and_in_whatever_order_it_comes(
    stack: Stack, tmp_path: Path
) -> None:
    replay(stack, "home", "household")
    wait_until_taken(stack, stored=HOURS, duplicate=0)
    assert_totals(stack, "home")
    first = versions(stack, "home")

    twice = taken(stack, "duplicate")
    replay(stack, "home", "household", "--twice", "--shuffle", "--seed", "7")
    wait_until_taken(stack, stored=HOURS, duplicate=twice + 2 * HOURS)
    assert_totals(stack, "home")
    assert versions(stack, "home") == first

    # a household that is only ever heard out of order, each value twice
    file = tmp_path / "next-door.yaml"
    text = (Path(__file__).parents[2] / "deploy" / "demo" / "home.yaml").read_text()
    file.write_text(
        text.replace("id: home,", "id: next-door,").replace("household", "next-door-meter")
    )
    stack.apply(file)
    twice = taken(stack, "duplicate")
    replay(stack, "next-door", "next-door-meter", "--twice", "--shuffle", "--seed", "8")
    wait_until_taken(stack, stored=2 * HOURS, duplicate=twice + HOURS)
    assert_totals(stack, "next-door")
    assert [row["co2_kg"] for row in hours(stack, "next-door")] == [
        row["co2_kg"] for row in hours(stack, "home")
    ]
    assert stack.get("/v1/quarantine", state="all") == []
