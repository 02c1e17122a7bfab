"""The page of devices and data, and the wall, in a real browser."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.fitting import check_fit, check_width
from tests.e2e.test_dashboard import address, browser, connection, emit, page, this_minute, wait_for
from tests.e2e.test_dashboard_alerts import fire, limit
from tests.e2e.test_dashboard_widths import LONG
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import MINUTE, found, minutes
from tests.integration.api.test_operation import progress

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

HOUR = 60 * MINUTE

_REFUSED = """
INSERT INTO quarantine (received_at, reason, detail, topic, payload, facility, device)
VALUES (now(), 'unknown-channel', %s, %s, %s, 'works', 'meter')
"""


def speak(connection: Connection, channel: str, ts: datetime, *, ahead: timedelta) -> None:
    """Store a reading that came so long before its time."""
    connection.execute(
        "INSERT INTO reading (ts, value, received_at, channel_id, quality, time_source)"
        " SELECT %s, 1, %s, id, 0, 0 FROM channel WHERE slug = %s",
        (ts, ts - ahead, channel),
    )


async def test_devices_that_are_silent_and_what_was_refused_are_listed(
    address: str, page: Page, connection: Connection, database_url: str
) -> None:
    apply_text(database_url)
    detail = "the device has no channel volts: add it to the facility file"
    connection.execute(_REFUSED, (detail, f"emissions/works/{LONG}", b'{"volts": 230}'))
    # so long that the first figures of it stay the same however long the page takes
    progress(connection, "ingest", 3_610_000)
    now = this_minute()
    speak(connection, "power", now - 2 * HOUR, ahead=2 * HOUR)
    (source,) = connection.execute("SELECT id FROM source WHERE slug = 'by-gauge'").fetchone() or ()
    known = [(now - ago * MINUTE, 2.0, 60_000) for ago in (*range(10, 20), *range(50, 60))]
    minutes(connection, source, known)
    await page.goto(f"{address}/devices")
    rows = page.locator("#device-rows tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="meter")).to_contain_text("2 h ahead")
    await wait_for(page, "#gaps-summary", "2 in 7 days, of five minutes and longer")
    gaps = page.locator("#gap-rows tbody tr")
    # one that lasts is one, too
    await expect(gaps.first.locator("td").nth(2)).to_have_text("now")
    await expect(gaps.last).to_contain_text("30 min")
    await expect(page.locator("#monitors")).to_be_hidden()
    await expect(rows.first).to_contain_text("never")
    await wait_for(page, "#devices-summary", "2 devices, 2 offline or never heard of")
    await expect(page.locator("#pipeline-summary")).to_contain_text("not ready")
    await expect(page.locator("#pipeline-summary")).to_contain_text("ingest stands still since 361")
    refused = page.locator("#quarantine-rows tbody tr")
    await expect(refused).to_contain_text(detail)
    await refused.locator("summary").click()
    await expect(refused.locator("pre")).to_have_text('{"volts": 230}')
    await check_fit(page, "devices")


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
        await check_width(page, width, height)
    await wait_for(page, "#name", "Linz works")
    await wait_for(page, "#rate", "1,200")
    await wait_for(page, "#alerts", "site-rate: above 1,000 kg/h")
    emit(connection, linz, 30.0)
    await wait_for(page, "#rate", "1,800")
    # legible at five metres: the rate takes an eighth of the screen's height and more
    box = await page.locator("#rate").bounding_box()
    assert box is not None
    assert box["height"] > 2160 / 8
    # a figure of any length stands in one line and beside the others
    emit(connection, linz, 3_333_333.0)
    await page.goto(f"{address}/wall?facility=linz")
    await wait_for(page, "#rate", "199,999,980")
    for width, height in ((390, 844), (1024, 768), (1440, 900), (3840, 2160)):
        await check_width(page, width, height)
        lines = await page.locator("#rate").evaluate("(rate) => rate.getClientRects().length")
        assert lines == 1
    await page.goto(f"{address}/wall?facility=nowhere")
    await wait_for(page, "#state-text", "there is no facility nowhere")
