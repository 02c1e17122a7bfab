"""The dashboard by mass: what is no CO2 is seen beside it, and any mass can be chosen."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.test_dashboard import (
    address,
    browser,
    connection,
    page,
    this_minute,
    wait_for,
)
from tests.integration.api.plant import MINUTE, Plant, announce, found, minutes, roll

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

#: By table, what a source of refrigerant and one of wood emit instead of the plant's CO2.
_MASSES = """
UPDATE {table} SET co2e_ug = co2_ug * %(co2e)s, co2_biogenic_ug = co2_ug * %(biogenic)s,
                   co2_ug = 0, market_ug = 0
WHERE source_id = %(source)s
"""


def emit(connection: Connection) -> Plant:
    """Chillers of 60 kg/h CO2e, a wood fire of 120 kg/h of biomass, and a kiln of 600 kg/h."""
    plant = found(
        connection,
        "linz",
        sources=[("kiln", 1, None), ("chillers", 1, "kg"), ("wood-fire", 1, "t")],
    )
    now = this_minute()
    for source, kg in (("kiln", 10.0), ("chillers", 1.0), ("wood-fire", 1.0)):
        rows = [(now + (2 - i) * MINUTE, kg, 60_000) for i in range(182)]
        minutes(connection, plant.sources[source], rows)
    roll(connection, plant, now)
    for table in ("emission_minute", "emission_hour", "rolling_total"):
        for source, co2e, biogenic in (("chillers", 1, 0), ("wood-fire", 0, 2)):
            connection.execute(
                _MASSES.format(table=table),
                {"source": plant.sources[source], "co2e": co2e, "biogenic": biogenic},
            )
    announce(connection, plant)
    return plant


async def test_what_is_no_co2_is_seen_beside_it(
    address: str, page: Page, connection: Connection
) -> None:
    emit(connection)
    await page.goto(address)
    await wait_for(page, "#rate", "600")
    await wait_for(page, "#rate-beside", "CO₂e 666 kg/h · biogenic CO₂ 120 kg/h")
    await wait_for(page, "[data-window='1h'] .mass", "600 kg")
    await wait_for(page, "[data-window='1h'] .beside", "CO₂e 666 kgbiogenic CO₂ 120 kg")
    chillers = page.locator("#sources tr", has_text="chillers")
    await expect(chillers.locator("td[data-label='1 h']")).to_have_text("0.00 kg60.0 kg CO₂e")
    wood = page.locator("#sources tr", has_text="wood-fire")
    await expect(wood.locator("td[data-label='Now']")).to_have_text("0.00 kg/h120 kg/h biogenic")


async def test_another_mass_can_be_chosen_and_linked_to(
    address: str, page: Page, connection: Connection
) -> None:
    emit(connection)
    await page.goto(address)
    await page.select_option("#figure", "co2e")
    await wait_for(page, "#rate", "666")
    await wait_for(page, "#rate-unit", "kg CO₂e / h")
    await wait_for(page, "[data-window='1h'] .mass", "666 kg")
    await wait_for(page, "#masses", "Masses are CO₂e.")
    assert page.url.endswith("?facility=linz&figure=co2e")
    await page.wait_for_function(
        """() => {
            const { series } = document.getElementById("chart").plot?.shown ?? {};
            const bars = series?.find((s) => s.name === "chillers");
            return bars?.values.some((v) => Math.abs(v - 60) < 1e-6);
        }"""
    )
    await page.goto(f"{address}/?facility=linz&figure=co2_biogenic")
    await wait_for(page, "#rate", "120")
    await wait_for(page, "[data-window='1h'] .beside", "CO₂ 600 kgCO₂e 666 kg")


@pytest.mark.parametrize("width", [390, 1440])
async def test_the_lines_of_a_chart_of_nothing_have_different_numbers(
    address: str, page: Page, connection: Connection, width: int
) -> None:
    emit(connection)
    connection.execute("UPDATE emission_minute SET market_ug = 0")
    connection.execute("UPDATE emission_hour SET market_ug = 0")
    await page.set_viewport_size({"width": width, "height": 844})
    await page.goto(f"{address}/?facility=linz&figure=market")
    await page.wait_for_selector("#chart .ytick")
    numbers = await page.locator("#chart .ytick").all_text_contents()
    assert len(numbers) == len(set(numbers)) > 2
    assert {float(number) for number in numbers} >= {0.0, 0.2, 1.0}


async def test_limits_are_drawn_beside_the_mass_that_they_watch(
    address: str, page: Page, connection: Connection
) -> None:
    plant = emit(connection)
    for slug, figure in (("of-co2", None), ("of-all-gases", "co2e")):
        spec = {"id": slug, "measure": "total", "window": "1h", "above": 1000.0}
        connection.execute(
            "INSERT INTO threshold (facility_id, slug, origin, version, spec, in_force_from)"
            " VALUES (%s, %s, 'file', 1, %s, now())",
            (
                plant.facility_id,
                slug,
                psycopg.types.json.Jsonb({**spec, **({"figure": figure} if figure else {})}),
            ),
        )
    await page.goto(address)
    limit = page.locator("[data-window='1h'] .limit")
    await expect(limit).to_have_attribute("title", "of-co2")
    await page.select_option("#figure", "co2e")
    await expect(limit).to_have_attribute("title", "of-all-gases")
    await expect(limit).to_have_text("66.6 % of limit 1.00 t")
    await page.select_option("#figure", "market")
    await expect(limit).to_have_attribute("title", "")


@pytest.mark.parametrize("width", [390, 1440])
async def test_masses_beside_each_other_fit_the_screen(
    address: str, page: Page, connection: Connection, width: int
) -> None:
    emit(connection)
    await page.set_viewport_size({"width": width, "height": 844})
    await page.goto(address)
    await wait_for(page, "#state-text", "live")
    await page.wait_for_selector("#chart .picture")
    assert await page.evaluate("document.documentElement.scrollWidth") == width


_BOTH_WAYS = """
facility: {id: roof, name: Roof, timezone: UTC}
devices:
  - id: meter
    channels:
      - {id: p, quantity: power, unit: kW, kind: gauge, direction: both}
factors:
  - {id: f, unit: kWh, co2_kg: 0.5, data_year: 2023, successor_expected: 2024-06-30, citation: a}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.p, factor: f}
"""


async def test_export_and_a_stale_factor_stand_beside_a_total_and_fit(
    address: str, page: Page, connection: Connection
) -> None:
    async with asking(address) as client:
        put = await client.put("/v1/facilities/roof", content=_BOTH_WAYS)
    assert put.status_code == 200, put.text
    row = connection.execute(
        "SELECT f.id, s.id FROM facility f JOIN source s ON s.facility_id = f.id"
    ).fetchone()
    assert row is not None
    plant = Plant(facility_id=row[0], slug="roof", timezone="UTC", sources={"grid": row[1]})
    now = this_minute()
    minutes(connection, row[1], [(now - i * MINUTE, 1.0, 60_000) for i in range(60)])
    roll(connection, plant, now)
    connection.execute("UPDATE emission_minute SET exported_n = 200000000")
    connection.execute("UPDATE rolling_total SET exported_n = 12000000000")
    announce(connection, plant)
    for width in (390, 1440):
        await page.set_viewport_size({"width": width, "height": 844})
        await page.goto(address)
        await wait_for(
            page,
            "[data-window='24h'] .beside",
            "CO₂e 60.6 kgexported 12.0 kWh100 % by stale factor",
        )
        note = page.locator("#sources tr .note")
        await expect(note).to_have_text("factor of 2023; a newer one is expected since June 2024")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
