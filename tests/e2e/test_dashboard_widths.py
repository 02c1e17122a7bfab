"""The dashboard of a facility that has everything, with names as long as they may be, fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page

from deploy.site import pictures
from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.fitting import check_width
from tests.e2e.test_dashboard import (
    address,
    browser,
    connection,
    emit,
    page,
    this_minute,
    wait_for,
)
from tests.e2e.test_dashboard_alerts import fire, limit
from tests.integration.api.plant import MINUTE, Plant, announce, found, minutes, roll

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

#: A phone, a tablet, a desk, a control room's wall.
WIDTHS = (390, 768, 1440, 3840)

#: A name as long as it may be, of one word; nothing but the page itself can break it.
LONG = "Blockheizkraftwerkswärmeauskopplungsmessstelle" * 4 + "Hochofengichtgas"
_ID = "a-source-whose-id-is-as-long-as-an-id-may-be-which-is-63-of-them"[:63]

_FILE = f"""
facility: {{id: everything, name: {LONG}, timezone: UTC}}
devices:
  - id: {_ID}
    name: {LONG}
    channels:
      - {{id: p, quantity: power, unit: kW, kind: gauge, direction: both}}
      - {{id: wood, quantity: mass, unit: t, kind: counter}}
      - {{id: gas, quantity: volume, unit: m3, kind: counter}}
factors:
  - {{id: nation, unit: kWh, co2_kg: 0.5, citation: a}}
  - {{id: f, unit: kWh, kind: series, fallback: [nation], data_year: 2023,
     successor_expected: 2024-06-30, citation: a}}
  - {{id: market, unit: kWh, co2_kg: 0.1, basis: market, citation: a}}
  - {{id: chips, unit: t, co2_kg: 0, co2_biogenic_kg: 1500, ch4_kg: 0.5, citation: a}}
  - {{id: mixed, unit: m3, co2_kg: 2, co2_biogenic_kg: 0.3, citation: a}}
sources:
  - {{id: {_ID}, name: {LONG}, scope: 2, method: activity, input: {_ID}.p, factor: f,
     market_factor: market}}
  - {{id: wood-fire, name: {LONG}, scope: 1, method: activity, input: {_ID}.wood, factor: chips}}
  - {{id: boiler, scope: 1, method: activity, input: {_ID}.gas, factor: mixed}}
electricity:
  {{zone: AT, match: ghgp-2025-draft, contracts: [{{id: a, technology: wind, share: 25}}]}}
"""


async def plant_everything(address: str, connection: Connection) -> Plant:
    async with asking(address) as client:
        put = await client.put("/v1/facilities/everything", content=_FILE.encode())
    assert put.status_code == 200, put.text
    (facility_id,) = connection.execute("SELECT id FROM facility").fetchone() or ()
    sources = dict(connection.execute("SELECT slug, id FROM source").fetchall())
    plant = Plant(facility_id=facility_id, slug="everything", timezone="UTC", sources=sources)
    now = this_minute()
    for source_id in sources.values():
        rows = [(now + (2 - i) * MINUTE, 123_456.789, 60_000) for i in range(182)]
        minutes(connection, source_id, rows)
    roll(connection, plant, now)
    for table in ("emission_minute", "emission_hour", "rolling_total"):
        connection.execute(
            f"UPDATE {table} SET co2_biogenic_ug = co2_ug * 2, market_ug = co2_ug / 3,"  # noqa: S608
            " co2e_ug = co2_ug * 1.1"
        )
    connection.execute("UPDATE emission_minute SET exported_n = 200000000")
    connection.execute("UPDATE rolling_total SET exported_n = 12000000000")
    connection.execute("UPDATE rolling_total SET substituted_ms = covered_ms / 3")
    watched = limit(
        connection, plant, id=_ID, measure="rate", above=1000, message=LONG, severity="critical",
        source=_ID,
    )  # fmt: skip
    fire(connection, plant, watched, now, acked_at=now, acked_by=LONG)
    connection.execute(
        "INSERT INTO audit_entry (made_by, action, facility, subject)"
        " VALUES (%s, 'facility.apply', 'everything', %s)",
        (LONG, LONG),
    )
    connection.execute(
        "INSERT INTO quarantine (reason, detail, topic, payload, facility, device)"
        " VALUES ('unknown_channel', %s, %s, '{}', 'everything', %s)",
        (f"{LONG}: add it to the facility file", f"emissions/everything/{LONG}", _ID),
    )
    announce(connection, plant)
    return plant


async def test_a_facility_with_everything_fits_every_screen(
    address: str, page: Page, connection: Connection
) -> None:
    await plant_everything(address, connection)
    for figure in ("co2", "market", "co2_biogenic"):
        await page.goto(f"{address}/?facility=everything&figure={figure}")
        await wait_for(page, "#state-text", "live")
        await page.wait_for_selector("#chart .picture")
        await page.wait_for_selector("#alerts li")
        for width in WIDTHS:
            await check_width(page, width, 1080, name=f"all-{figure}")


async def test_readmes_pictures_can_be_taken(
    address: str, page: Page, connection: Connection, tmp_path: Path
) -> None:
    plant = found(connection, pictures.FACILITY, sources=[(pictures.SOURCE, 2, "kWh")])
    emit(connection, plant, 2.0)
    rate = limit(connection, plant, id="hall-rate", measure="rate", above=1, source=pictures.SOURCE)
    fire(connection, plant, rate, this_minute())
    await pictures.take_screen(page, address, tmp_path / "screen.png")
    await pictures.take_alert(page, address, tmp_path / "alert.png")
    explanation = {"total": {"co2_kg": 1.5, "code": None, "citation": "<b>bill</b>, 2026"}}
    await pictures.take_explanation(page, explanation, tmp_path / "explanation.png")
    assert await page.locator("b").count() == 0
    taken = _sizes(tmp_path)
    assert set(taken) == set(_sizes(pictures.IMAGES))
    assert min(taken.values()) > 1_000


def test_readmes_pictures_are_small() -> None:
    assert all(size <= pictures.MAX_BYTES for size in _sizes(pictures.IMAGES).values())


def _sizes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in directory.glob("*.png")}
