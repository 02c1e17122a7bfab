"""The dashboard of electricity: what contracts supply, and which factors totals counted by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.test_dashboard import address, browser, connection, page, this_minute, wait_for
from tests.integration.api.plant import HOUR, MINUTE, Plant, announce, found, minutes, roll

__all__ = ["address", "browser", "connection", "page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

_FILE = """
facility: {id: works, name: Works, timezone: ZONE}
devices:
  - id: meter
    channels: [{id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 100000}]
  - id: pv
    channels: [{id: generation, quantity: energy, unit: kWh, kind: counter, max_rate: 100000}]
factors:
  - {id: nation, unit: kWh, co2_kg: 0.3, citation: a}
  - {id: grid, kind: series, unit: kWh, fallback: [nation], citation: a}
sources: [{id: grid, scope: 2, method: activity, input: meter.import, factor: grid}]
electricity:
  match: annual
  grid_carbon_free: [{percent: 50}]
  contracts:
    - {id: hydro, technology: hydro, share: 25}
    - {id: pv, technology: solar, channel: pv.generation}
    - {id: wind, technology: wind}
"""


async def test_what_is_matched_stands_with_what_may_still_change(
    address: str, page: Page, connection: psycopg.Connection[Any]
) -> None:
    # a zone in which it is noon, so that today has hours before this one
    now = this_minute()
    away = (12 - now.hour) % 24
    zone = f"Etc/GMT{-away:+d}" if away <= 14 else f"Etc/GMT+{24 - away}"
    assert now.astimezone(ZoneInfo(zone)).hour == 12
    async with asking(address) as client:
        put = await client.put("/v1/facilities/works", content=_FILE.replace("ZONE", zone).encode())
    assert put.status_code == 200, put.text
    (facility_id,) = connection.execute("SELECT id FROM facility").fetchone() or ()
    sources = dict(connection.execute("SELECT slug, id FROM source").fetchall())
    plant = Plant(facility_id=facility_id, slug="works", timezone=zone, sources=sources)
    hour = now.replace(minute=0)
    for amount, begins in ((1.0, hour - 2 * HOUR), (3.0, hour - HOUR)):
        rows = [(begins + i * MINUTE, 0.3, 60_000) for i in range(60)]
        minutes(connection, sources["grid"], rows, activity=amount)
    # of the second hour nothing is known of what was generated
    minutes(
        connection,
        sources["pv.generation"],
        [(hour - 2 * HOUR + i * MINUTE, 0.0, 60_000) for i in range(60)],
        activity=2.0,
    )
    connection.execute(
        "UPDATE emission_hour SET final = true, reason = 'closed' WHERE hour < %s",
        (hour - HOUR + timedelta(minutes=1),),
    )
    connection.execute("UPDATE emission_hour SET final = false WHERE hour = %s", (hour - HOUR,))
    values = {"values": [{"hour": (hour - HOUR).isoformat(), "co2_kg": 0.1}]}
    async with asking(address) as client:
        sent = await client.post(
            "/v1/factors/grid/values", params={"facility": "works"}, json=values
        )
    assert sent.status_code == 200, sent.text
    roll(connection, plant, now)
    announce(connection, plant)
    found(connection, "without", sources=[("stack-1", 1, None)])
    await page.goto(f"{address}/?facility=works")
    today = page.locator("#electricity [data-window='today']")
    # 60 of 240 kWh by a share, 120 of the sun under a rule of a year, 45 of them in their own hour
    await expect(today.locator(".share")).to_have_text("75 % matched of 240 kWh")
    lines = today.locator(".lines span")
    await expect(lines.nth(0)).to_have_text("43.8 % with each hour by itself")
    await expect(lines.nth(1)).to_have_text("CFE 87.5 %")
    await expect(lines.nth(2)).to_have_text("1 of 2 h not wholly supplied")
    doubts = await today.locator(".doubt").all_text_contents()
    assert doubts[0] == "provisional: 1 of 2 known h not closed"
    assert doubts[1] == "the rest of the year may still change what is matched"
    assert doubts[2].endswith(" % of the consumption's time known")
    assert doubts[3].endswith(" % of the supply's time known; the rest counts as none")
    await wait_for(page, "#electricity [data-window='hour'] .share", "no data")
    rule = page.locator("#electricity-rule")
    await expect(rule).to_contain_text("certificates that are retired later add to it")
    # both hours have 18 kg, and one of them has its own factor
    levels = ["by hourly factors:", "50 % by the hour's", "50 % fell back to another factor"]
    beside = page.locator("#totals [data-window='today'] .beside span")
    await expect(beside).to_have_text(["CO₂e 36.4 kg", *levels])
    of_source = page.locator("#sources td[data-label='Today'] .more")
    await expect(of_source).to_have_text(levels)
    await page.reload()
    await page.select_option("#facility", "without")
    await wait_for(page, "#timezone", "UTC")
    await expect(page.locator("#electricity")).to_be_hidden()
