"""The worked example of deploy/docs/restatement.md: China's grid factor of 2022 is corrected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant
from tests.repository.files import ROOT

START = instant("2022-08-01T00:00:00+08:00")
END = START + timedelta(hours=10)
CLOSED = instant("2023-03-01T00:00:00Z")
CORRECTED = instant("2024-12-20T08:00:00Z")

_PAGE = (ROOT / "deploy/docs/restatement.md").read_text()
FILE = _PAGE.split("```yaml\n")[1].split("```")[0]


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, FILE)
    yield plant
    plant.close()


async def test_ten_gwh_are_restated_by_337_t_and_both_answers_stay(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str
) -> None:
    async def asked(path: str, **parameters: str) -> list[dict[str, Any]]:
        span = {"facility": "wuhan", "from": START.isoformat(), "to": END.isoformat()}
        response = await client.get(path, params={**span, **parameters})
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()
        return rows

    async def total_kg(**parameters: str) -> float:
        rows = await asked("/v1/emissions", interval="1h", **parameters)
        assert len(rows) == 10
        return sum(row["co2_kg"] for row in rows)

    plant.store(
        [Reading("meter.energy", START + timedelta(hours=n), 1_000_000.0) for n in range(10)]
    )
    plant.tick_as_if(CLOSED)
    plant.tick_as_if(CLOSED + timedelta(minutes=2))
    assert plant.rows("SELECT bool_and(final) FROM emission_hour") == [(True,)]
    clock.instant = CLOSED + timedelta(hours=1)
    assert await total_kg() == 5_703_000.0

    corrected = FILE.replace("co2_kg: 0.5703", "co2_kg: 0.5366").replace(
        "MEE letter of February 2023", "MEE and NBS announcement of 20 December 2024"
    )
    changes = apply_text(database_url, corrected, by="user wei")
    assert "".join(f"  {change}\n" for change in changes) in _PAGE
    plant.tick_as_if(CORRECTED)
    clock.instant = CORRECTED + timedelta(hours=1)

    assert await total_kg() == 5_366_000.0
    assert await total_kg(as_of="2024-01-01T00:00:00Z") == 5_703_000.0
    assert await total_kg(as_of="2025-01-01T00:00:00Z") == 5_366_000.0
    rows = await asked("/v1/restatements")
    assert [row["version"] for row in rows] == [2] * 10
    assert sum(row["difference_kg"] for row in rows) == -337_000.0
    (kind,) = {row["reason"] for row in rows}
    (cause,) = {row["cause"] for row in rows}
    assert kind == "factor version"
    assert "0.5703 kg CO2/kWh" in cause
    assert "0.5366 kg CO2/kWh" in cause
    assert cause.endswith("applied by user wei")
