"""A report of many facilities asks as many questions as one of two."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.api.plant import FULL, HOUR, MINUTE, at, found, minutes

NOW = at("2026-09-20T00:00:00Z")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What processes of this one ask databases."""
    asked: list[str] = []
    execute, execute_async = psycopg.Cursor.execute, psycopg.AsyncCursor.execute

    def noted(self: Any, query: Any, *rest: Any, **how: Any) -> Any:
        asked.append(str(query))
        return execute(self, query, *rest, **how)

    async def noted_async(self: Any, query: Any, *rest: Any, **how: Any) -> Any:
        asked.append(str(query))
        return await execute_async(self, query, *rest, **how)

    monkeypatch.setattr(psycopg.Cursor, "execute", noted)
    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noted_async)
    return asked


@pytest.mark.parametrize("as_of", [{}, {"as_of": "2026-09-10T00:00:00Z"}])
async def test_a_report_of_many_facilities_asks_no_more(
    client: httpx.AsyncClient,
    connection: psycopg.Connection[Any],
    statements: list[str],
    as_of: dict[str, str],
) -> None:
    for number in range(9):
        plant = found(connection, f"works-{number}", timezone="Europe/Vienna")
        start = at("2026-08-10T00:00:00Z") + number * HOUR
        rows = [(start + i * MINUTE, 0.5 + number, FULL) for i in range(120)]
        minutes(connection, plant.sources["stack-1"], rows)
    connection.execute(
        "UPDATE emission_hour SET known_at = hour + interval '2 hours', opened_at = hour"
    )
    named = ",".join(f"works-{number}" for number in range(9))

    async def report(facilities: str) -> tuple[int, dict[str, Any]]:
        asked = {"period": "2026-08", "facility": facilities, **as_of}
        # what is kept from one answer to the next is read before
        await client.get("/v1/reports/emissions", params=asked)
        statements.clear()
        answer = await client.get("/v1/reports/emissions", params=asked)
        assert answer.status_code == 200, answer.text
        return len(statements), answer.json()

    few, _ = await report("works-0,works-8")
    many, told = await report(named)
    assert few > 5
    # the listening of others may fall in between
    assert many <= few + 3
    totals = {row["facility"]: row["co2_kg"] for row in told["totals"] if row["scope"] is None}
    assert totals == {
        None: sum(120 * (0.5 + n) for n in range(9)),
        **{f"works-{n}": 120 * (0.5 + n) for n in range(9)},
    }
