"""CO2 from biomass, from a meter's readings to every answer, beside CO2 and CO2e."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from services.api.app import create_app
from services.cli import app as command
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.timeline.instants import HOUR
from tests.integration.api.server import serving
from tests.integration.field.bench import FieldBench
from tests.patience import PATIENCE_S
from tests.services import as_login

_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: boiler
    channels:
      - {id: heat, quantity: energy, unit: mmBtu, kind: counter, max_rate: 100}
      - {id: oil, quantity: energy, unit: mmBtu, kind: counter, max_rate: 100}
factors:
  - {id: wood, unit: mmBtu, co2_kg: 0, co2_biogenic_kg: 93.80, ch4_kg: 0.0072, n2o_kg: 0.0036,
     citation: 40 CFR 98 tables C-1 and C-2}
  - {id: blend, unit: mmBtu, co2_kg: 70, co2_biogenic_kg: 4, co2e_kg: 70.5, citation: supplier}
sources:
  - {id: wood-fire, scope: 1, method: activity, input: boiler.heat, factor: wood, lateness: 1h}
  - {id: oil-fire, scope: 1, method: activity, input: boiler.oil, factor: blend, lateness: 1h}
"""
_START = datetime(2026, 3, 1, 6, tzinfo=UTC)
_END = _START + 2 * HOUR
_NOW = _START + 4 * HOUR


@pytest.fixture
def burnt(field: FieldBench) -> FieldBench:
    """Two hours of 1 mmBtu of wood and 2 mmBtu of blended oil each, and their closing."""
    field.apply(_FILE)
    field.deliver(
        [
            (
                "emissions/works/boiler/readings",
                json.dumps(
                    {
                        "ts": (_START + timedelta(minutes=k)).isoformat(),
                        "values": {"heat": 50 + k / 60, "oil": 7 + k / 30},
                    }
                ),
            )
            for k in range(121)
        ],
        at=_END,
    )
    field.settle(_NOW)
    # hours that came to rest are closed
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 h'")
    field.settle(_NOW + timedelta(minutes=1))
    return field


@pytest.fixture
async def client(burnt: FieldBench) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(database_url=SecretStr(as_login(burnt.url, "tonne_api")), api_auth="off")
    app = create_app(settings, clock=FixedClock(_NOW), health_holds_s=0)
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as opened,
    ):
        yield opened


async def answer(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    got = await client.get(path, params={"facility": "works", **parameters})
    assert got.status_code == 200, got.text
    return got.json()


@pytest.mark.vector
async def test_wood_in_every_answer(client: httpx.AsyncClient) -> None:
    live = await answer(client, "/v1/live")
    (oil,) = (s["totals"]["24h"] for s in live["sources"] if s["id"] == "oil-fire")
    (wood,) = (s["totals"]["24h"] for s in live["sources"] if s["id"] == "wood-fire")
    assert wood["co2_kg"] == 0
    assert wood["co2e_kg"] == pytest.approx(2 * 1.1772)
    assert wood["co2_biogenic_kg"] == pytest.approx(2 * 93.80)
    assert (oil["co2_kg"], oil["co2e_kg"]) == (pytest.approx(280), pytest.approx(282))
    assert oil["co2_biogenic_kg"] == pytest.approx(16)
    for totals in (live["totals"], live["scopes"][0]["totals"]):
        assert totals["today"]["co2_kg"] == pytest.approx(280)
        assert totals["today"]["co2_biogenic_kg"] == pytest.approx(2 * 93.80 + 16)

    span = {"from": _START.isoformat(), "to": _END.isoformat(), "source": "wood-fire"}
    for interval, rows in (("1h", 2), ("30m", 4), ("1d", 1)):
        found = await answer(client, "/v1/emissions", interval=interval, **span)
        assert len(found) == rows
        assert sum(row["co2_biogenic_kg"] for row in found) == pytest.approx(2 * 93.80)
        assert {row["co2_kg"] for row in found} == {0.0}
    lines = await client.get(
        "/v1/emissions",
        params={"facility": "works", "interval": "1h", **span},
        headers={"Accept": "text/csv"},
    )
    hours = list(csv.DictReader(io.StringIO(lines.text)))
    assert [float(row["co2_biogenic_kg"]) for row in hours] == pytest.approx([93.80, 93.80])

    why = await answer(
        client,
        "/v1/explain",
        source="wood-fire",
        hour=_START.isoformat(),
        as_of=datetime.now(UTC).isoformat(),
    )
    assert why["total"]["co2_kg"] == 0
    assert why["total"]["co2_biogenic_kg"] == pytest.approx(93.80)
    assert why["factor"]["co2_biogenic_kg"] == 93.80
    assert why["factor"]["applied"]["co2_biogenic_kg"] == pytest.approx(93.80)
    assert sum(minute["co2_biogenic_kg"] for minute in why["minutes"]) == pytest.approx(93.80)


async def test_a_gap_is_unknown_and_not_zero(client: httpx.AsyncClient) -> None:
    (row,) = await answer(
        client, "/v1/emissions", source="wood-fire", interval="1h",
        **{"from": (_END + HOUR).isoformat(), "to": (_END + 2 * HOUR).isoformat()},
    )  # fmt: skip
    assert row["co2_biogenic_kg"] is None


async def test_a_corrected_share_restates_both_masses(
    burnt: FieldBench, client: httpx.AsyncClient
) -> None:
    burnt.apply(_FILE.replace("co2_kg: 70, co2_biogenic_kg: 4", "co2_kg: 68, co2_biogenic_kg: 6"))
    burnt.settle(_NOW)
    changes = await answer(client, "/v1/restatements", source="oil-fire")
    assert len(changes) == 2
    for change in changes:
        assert change["reason"] == "factor version"
        assert (change["old_co2_kg"], change["new_co2_kg"]) == pytest.approx((140, 136))
        assert change["old_co2_biogenic_kg"] == pytest.approx(8)
        assert change["new_co2_biogenic_kg"] == pytest.approx(12)
    live = await answer(client, "/v1/live")
    assert live["totals"]["24h"]["co2_biogenic_kg"] == pytest.approx(2 * 93.80 + 24)


async def test_a_share_alone_is_corrected_too(burnt: FieldBench, client: httpx.AsyncClient) -> None:
    burnt.apply(_FILE.replace("co2_biogenic_kg: 93.80", "co2_biogenic_kg: 93.00"))
    burnt.settle(_NOW)
    changes = await answer(client, "/v1/restatements", source="wood-fire")
    assert [change["difference_kg"] for change in changes] == [0.0, 0.0]
    assert [change["new_co2_biogenic_kg"] for change in changes] == pytest.approx([93.0, 93.0])


def test_verify_holds_it_against_the_readings(
    burnt: FieldBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(burnt.url, "tonne_aggregate"))
    sound = CliRunner().invoke(command, ["verify", "--json"])
    assert json.loads(sound.stdout)["differs"] == []

    burnt.connection.execute(
        "UPDATE emission_hour SET co2_biogenic_ug = co2_biogenic_ug - 1 WHERE hour = %s"
        " AND source_id = (SELECT id FROM source WHERE slug = 'wood-fire')",
        (_START,),
    )
    forged = CliRunner().invoke(command, ["verify", "--json"])
    assert forged.exit_code == 1
    differs = json.loads(forged.stdout)["differs"]
    assert {found["source"] for found in differs} == {"wood-fire"}
    assert any(found["figures"] == ["co2_biogenic_ug"] for found in differs), differs
