"""Published and worked figures of paths, from a facility file over HTTP to the answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.core.runtime.clock import FixedClock
from tests.integration.aggregator.plant import instant

pytestmark = [pytest.mark.database, pytest.mark.vector]

T = 1000.0

FILE = """
facility: {id: site, name: Site, timezone: Europe/Vienna}
devices: [{id: m, channels: [{id: e, quantity: energy, unit: kWh, kind: counter}]}]
factors: [{id: heat, unit: kWh, co2_kg: 0.2, citation: a}]
sources: [{id: kiln, scope: 1, method: activity, input: m.e, factor: heat}]
pathway: [{scope: 1, %s}]
"""
NEUTRAL_2060 = """base: {year: 2025, tonnes: 100000, citation: a}, policy: china-3060-2020,
  peak: {year: 2030, tonnes: 115000}, residual: 10, actual: [{year: 2060, tonnes: 11500}]"""
REMOVED = """
removals: [{id: rock, kind: dac, tonnes: %s, from: 2060-01-01, to: 2061-01-01, permanent: %s,
  document: d}]
"""


async def years(client: httpx.AsyncClient, path: str, more: str = "") -> dict[int, dict[str, Any]]:
    applied = await client.put("/v1/facilities/site", content=FILE % path + more)
    assert applied.status_code == 200, applied.text
    answer = await client.get("/v1/pathway/years", params={"facility": "site"})
    assert answer.status_code == 200, answer.text
    return {row["year"]: row for row in answer.json()}


async def test_g4_and_g6_are_answered_to_the_digit(client: httpx.AsyncClient) -> None:
    contraction = await years(
        client, "base: {year: 2020, tonnes: 100000, citation: a}, policy: sbti-1.5c-2019"
    )
    assert contraction[2025]["allowed_kg"] == pytest.approx(79_000 * T, abs=1e-3)
    assert contraction[2030]["allowed_kg"] == pytest.approx(58_000 * T, abs=1e-3)
    assert contraction[2030]["cumulative_allowed_kg"] == pytest.approx(769_000 * T, abs=1e-3)
    made = "[{year: 2020, amount: 1000}, {year: 2025, amount: 1000}]"
    convergence = await years(
        client,
        "base: {year: 2020, tonnes: 900, citation: a}, policy: sda, production: "
        f"{made}, sector: [{{year: 2020, tonnes_per_unit: 6.45}}, "
        "{year: 2025, tonnes_per_unit: 1.29}]",
    )
    intensity = [convergence[year]["allowed_kg"] / T / 1000 for year in range(2021, 2026)]
    assert [round(t + 1e-9, 2) for t in intensity] == [0.98, 1.06, 1.13, 1.21, 1.29]


async def test_g9_is_neutral_in_2060_with_as_much_removed_for_good_as_is_left(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.instant = instant("2061-02-01T00:00:00Z")
    path = await years(client, NEUTRAL_2060, REMOVED % (11_500, "true"))
    assert path[2030]["allowed_kg"] == 115_000 * T
    assert path[2040]["allowed_kg"] == pytest.approx(80_500 * T, abs=1e-3)
    assert path[2060]["allowed_kg"] == pytest.approx(11_500 * T, abs=1e-3)
    assert (path[2059]["neutral"], path[2060]["neutral"]) == (None, True)
    assert path[2060]["net_kg"] == pytest.approx(0, abs=1e-3)
    for removed in (REMOVED % (11_499, "true"), REMOVED % (11_500, "false")):
        path = await years(client, NEUTRAL_2060, removed)
        assert path[2060]["neutral"] is False
