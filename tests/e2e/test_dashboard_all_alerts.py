"""The page of alerts of all facilities, and of one alert, in a real browser."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.fitting import check_fit
from tests.e2e.screenshots import photograph
from tests.e2e.test_dashboard import address, browser, connection, emit, page, this_minute, wait_for
from tests.e2e.test_dashboard_alerts import fire, limit
from tests.e2e.test_dashboard_widths import LONG
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import MINUTE, Plant, found
from tests.patience import pauses

__all__ = ["address", "browser", "connection", "page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


_FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices: [{id: m, channels: [{id: energy, quantity: energy, unit: kWh, kind: counter},
     {id: heat, quantity: temperature, unit: "°C", kind: gauge}]}]
factors: [{id: f, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, citation: a}]
sources: [{id: kiln, scope: 1, method: activity, input: m.energy, factor: f}]
thresholds:
  - {id: site-rate, measure: rate, above: 1000, message: Throttle.}
  - {id: hot, channel: m.heat, measure: value, above: 90}
  - {id: year, measure: budget, window: year, budget: 1000000, above: 0.9}
"""


async def test_alerts_of_all_facilities_stand_beside_their_limits_and_are_snoozed(
    address: str, page: Page, connection: psycopg.Connection[Any], database_url: str
) -> None:
    apply_text(database_url, _FILE)
    (facility_id,) = connection.execute("SELECT id FROM facility").fetchone() or (0,)
    (kiln,) = connection.execute("SELECT id FROM source").fetchone() or (0,)
    thresholds = dict(connection.execute("SELECT slug, id FROM threshold").fetchall())
    linz = Plant(facility_id=facility_id, slug="linz", timezone="UTC", sources={"kiln": kiln})
    graz = found(connection, "graz")
    connection.execute("UPDATE facility SET name = %s WHERE slug = 'graz'", (LONG,))
    emit(connection, linz, 20.0)
    now = this_minute()
    hour = limit(connection, graz, id="hour", measure="total", window="1h", above=900)
    rate = thresholds["site-rate"]
    fire(connection, linz, rate, now - 30 * MINUTE, present=1200.0, present_at=datetime.now(UTC))
    fire(
        connection, graz, hour, now - 200 * MINUTE, resolved_at=now - 180 * MINUTE, state="resolved"
    )
    await page.goto(f"{address}/alerts")
    await wait_for(page, "#open-summary", "1 now")
    standing = page.locator("#open-list li")
    await expect(standing).to_contain_text("Linz works · rate, the facility")
    await expect(standing).to_contain_text("now 1,200 kg/h")
    await expect(page.locator("#past-rows tbody tr")).to_have_count(2)
    await expect(page.locator("#past-rows tbody tr", has_text=LONG)).to_contain_text("hour")
    await check_fit(page, "alerts")
    await page.select_option("#facility", "graz")
    await wait_for(page, "#open-summary", "none")
    await expect(page.locator("#past-rows tbody tr")).to_have_count(1)
    await page.select_option("#facility", "")

    await page.click("text=site-rate: above 1,000 kg/h")
    await wait_for(page, "#title", "Alert site-rate")
    await expect(page.locator("#one")).to_contain_text("Throttle.")
    await page.fill("#comment", "valve stuck")
    await page.select_option("#one [name=reason]", label="Fault of the instrument")
    await page.select_option("#one [name=action]", "maintenance-requested")
    await page.click("button:has-text('Acknowledge')")
    await expect(page.locator("#one")).to_contain_text(
        "Fault of the instrument · Maintenance requested · valve stuck"
    )
    await page.fill("#one input[placeholder='why']", "valve is mended tomorrow")
    await page.select_option("#one [name=hours]", "24")
    await page.click("button:has-text('Snooze')")
    async with asking(address) as client:
        await expect(page.locator("#one .doubt")).to_contain_text("Nobody is notified from")
        (muted,) = (await client.get("/v1/maintenance?facility=linz")).json()
    assert (muted["thresholds"], muted["reason"]) == (["site-rate"], "valve is mended tomorrow")

    # the mark of it in the history writes its numbers as the reader does
    await page.goto(f"{address}/history?facility=linz&range=24h&language=de")
    await expect(page.locator("#marks")).to_contain_text("1.250 kg/h, Grenzwert 1.000 kg/h")
    await page.goto(f"{address}/alerts?language=en")
    await expect(standing).to_contain_text("Maintenance requested · “valve stuck”")
    await page.select_option("#filters [name=action]", "load-reduced")
    await page.click("#filters button")
    await expect(page.locator("#empty")).to_be_visible()
    await page.select_option("#filters [name=action]", "maintenance-requested")
    await page.click("#filters button")
    past = page.locator("#past-rows tbody tr")
    await expect(past).to_have_count(1)
    await expect(past).to_contain_text("Fault of the instrument")

    # a rate holds for a quarter of an hour, and is then unknown
    connection.execute(
        "DELETE FROM emission_minute WHERE minute BETWEEN %s AND %s",
        (now - 50 * MINUTE, now - 25 * MINUTE),
    )
    await _course_is_drawn(page, address)

    # nothing newer is known: the value is of then, and nobody knows that of now
    connection.execute(
        "UPDATE threshold_state SET value_at = %s WHERE threshold_id = %s", (now - 9 * MINUTE, rate)
    )
    # what is of now is so for three minutes
    known = datetime.now(UTC)
    fire(connection, linz, thresholds["hot"], now, present=93.25, present_at=known)
    fire(connection, linz, thresholds["year"], now, present=0.914, present_at=known)
    await page.goto(f"{address}/alerts")
    await expect(standing.filter(has_text="hot")).to_contain_text("now 93.25 °C")
    await expect(standing.filter(has_text="year")).to_contain_text("now 91.4 %")
    older = f"1,200 kg/h at {(now - 9 * MINUTE).astimezone(ZoneInfo('Europe/Vienna')):%H:%M}"
    await expect(standing.filter(has_text="site-rate")).to_contain_text(older)
    await expect(standing.filter(has_text="site-rate")).not_to_contain_text("now 1,200")


async def _course_is_drawn(page: Page, address: str) -> None:
    """The list has a small line of the alert's values; its page a chart, with the API's values."""
    await page.goto(f"{address}/alerts")
    line = page.locator("#open-list .spark")
    await expect(line).to_have_attribute("aria-label", re.compile("from .* to .* kg/h; the limit"))
    await photograph(page, "alerts-courses", 390, 1440)
    await page.click("text=site-rate: above 1,000 kg/h")
    plot = page.locator("#one .plot")
    await expect(plot.locator(".line.dashed")).to_have_count(1)
    number = parse_qs(urlsplit(page.url).query)["alert"][0]
    await page.click("#one summary")
    drawn = page.locator("#one details tbody tr")
    async with asking(address) as client:
        # a minute more each minute, in the answer and then in the chart
        for pause_s in pauses():
            rows = (await client.get(f"/v1/alerts/courses?alert={number}")).json()
            known = [row for row in rows if row["value"] is not None]
            assert 0 < len(known) < len(rows)
            expected = len(rows), len(rows) - len(known)
            shown = await drawn.count(), await drawn.filter(has_text="no data").count()
            if shown == expected:
                break
            await asyncio.sleep(pause_s)
        else:
            pytest.fail(f"rows of the course and those without data: {shown}, not {expected}")
    await expect(plot.locator(".gaps")).not_to_have_attribute("d", "")
    await expect(page.locator("#one .legend")).to_contain_text("unknown")
    await photograph(page, "alert-course", 390, 1440)
