"""The page of devices and data, and the wall, in a real browser."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.test_dashboard import address, browser, connection, emit, page, this_minute, wait_for
from tests.e2e.test_dashboard_alerts import fire, limit
from tests.e2e.test_dashboard_widths import LONG, TOO_WIDE
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import MINUTE, found
from tests.integration.api.test_operation import progress

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

_REFUSED = """
INSERT INTO quarantine (received_at, reason, detail, topic, payload, facility, device)
VALUES (now(), 'unknown-channel', %s, %s, %s, 'works', 'meter')
"""


async def test_devices_that_are_silent_and_what_was_refused_are_listed(
    address: str, page: Page, connection: Connection, database_url: str
) -> None:
    apply_text(database_url)
    detail = "the device has no channel volts: add it to the facility file"
    connection.execute(_REFUSED, (detail, f"emissions/works/{LONG}", b'{"volts": 230}'))
    progress(connection, "ingest", 3600)
    await page.goto(f"{address}/devices")
    rows = page.locator("#device-rows tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("never")
    await wait_for(page, "#devices-summary", "2 devices, 2 offline or never heard of")
    await expect(page.locator("#pipeline-summary")).to_contain_text("not ready")
    await expect(page.locator("#pipeline-summary")).to_contain_text("ingest stands still since 36")
    refused = page.locator("#quarantine-rows tbody tr")
    await expect(refused).to_contain_text(detail)
    await refused.locator("summary").click()
    await expect(refused.locator("pre")).to_have_text('{"volts": 230}')
    for width in (390, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await page.evaluate(TOO_WIDE) == []


async def test_the_wall_shows_one_facility_after_the_other(
    address: str, page: Page, connection: Connection
) -> None:
    linz, graz = found(connection, "linz"), found(connection, "graz", sources=[("a", 1, None)])
    connection.execute("UPDATE facility SET name = %s WHERE slug = 'graz'", (LONG,))
    emit(connection, linz, 20.0)
    emit(connection, graz, 5.0)
    rate = limit(connection, linz, id="site-rate", measure="rate", above=1000)
    fire(connection, linz, rate, this_minute() - 3 * MINUTE)
    await page.goto(f"{address}/wall?facility=graz,linz&seconds=5")
    await wait_for(page, "#name", LONG)
    await wait_for(page, "#rate", "300")
    await wait_for(page, "#turn", "1 of 2")
    for width, height in ((390, 844), (1440, 900), (3840, 2160)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth") == width
    await wait_for(page, "#name", "Linz works")
    await wait_for(page, "#rate", "1,200")
    await wait_for(page, "#alerts", "site-rate: above 1,000 kg/h")
    emit(connection, linz, 30.0)
    await wait_for(page, "#rate", "1,800")
    # legible at five metres: the rate takes an eighth of the screen's height and more
    box = await page.locator("#rate").bounding_box()
    assert box is not None
    assert box["height"] > 2160 / 8
    await page.goto(f"{address}/wall?facility=nowhere")
    await wait_for(page, "#state-text", "there is no facility nowhere")
