"""The page of all facilities: its figures are the API's, in any order, and fit every screen."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect
from psycopg.types.json import Jsonb

from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.fitting import check_width
from tests.e2e.test_dashboard import address, browser, connection, emit, page, this_minute, wait_for
from tests.e2e.test_dashboard_alerts import fire, limit
from tests.e2e.test_dashboard_widths import LONG, WIDTHS
from tests.integration.api.plant import announce, found

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


async def _names(page: Page, expected: list[str]) -> None:
    await expect(page.locator("#rows .name")).to_have_text(expected)


def _facilities(connection: Connection) -> None:
    """One that emits much, one little with an alert over its year, one that nothing is known of."""
    emit(connection, found(connection, "linz", timezone="Europe/Vienna"), 20.0)
    wels = found(connection, "wels")
    emit(connection, wels, 1.0)
    budget = limit(
        connection, wels, id="year", measure="budget", window="year", budget=1000, above=0.1,
        severity="critical",
    )  # fmt: skip
    fire(connection, wels, budget, this_minute())
    announce(connection, wels)
    found(connection, "graz")
    for slug, latitude, longitude in (("linz", 48.3, 14.3), ("wels", 48.16, 14.03)):
        place = {"facility": {"location": {"latitude": latitude, "longitude": longitude}}}
        connection.execute(
            "UPDATE facility SET document = document || %s WHERE slug = %s", (Jsonb(place), slug)
        )
    connection.execute("UPDATE registry_revision SET revision = revision + 1")


async def test_facilities_are_listed_added_up_ordered_and_searched(
    address: str, page: Page, connection: Connection
) -> None:
    _facilities(connection)
    await page.goto(address)
    await page.click("nav >> text=Facilities")
    await expect(page).to_have_url(f"{address}/facilities")
    await wait_for(page, "#state-text", "live")
    await _names(page, ["Graz works", "Linz works", "Wels works"])
    async with asking(address) as client:
        rows = (await client.get("/v1/overview")).json()
    rates = [f"{row['rate_kg_h']:,.0f} kg/h" if row["rate_kg_h"] else "no data" for row in rows]
    assert rates == ["no data", "1,200 kg/h", "60 kg/h"]
    cells = page.locator("#rows td[data-label='Now']")
    for index, shown in enumerate(rates):
        await expect(cells.nth(index)).to_contain_text(shown.removesuffix(" kg/h"))
    total = page.locator("#sum .card")
    await expect(total.first).to_contain_text("1,260 kg/h")
    await expect(total.first).to_contain_text("2 of 3 sources known")
    await expect(total.last).to_contain_text("1 with alerts")
    wels = page.locator("#rows tr[data-facility='wels']")
    await expect(wels).to_contain_text("of budget 1.00 t")
    await expect(wels).to_contain_text("1 critical")
    marks = page.locator(".map a")
    assert [await mark.get_attribute("aria-label") for mark in await marks.all()] == [
        "Linz works, 1,200 kg/h",
        "Wels works, 60.0 kg/h, critical alert",
    ]
    await wait_for(page, "#map-card .rest", "one facility does not say where it is")
    assert [(row["latitude"], row["longitude"]) for row in rows] == [
        (None, None), (48.3, 14.3), (48.16, 14.03)
    ]  # fmt: skip
    # the most first; what is unknown stays last whichever way
    await page.click("#heads button:text('Now')")
    await _names(page, ["Linz works", "Wels works", "Graz works"])
    await page.click("#heads button:text('Now')")
    await _names(page, ["Wels works", "Linz works", "Graz works"])
    await page.fill("#search", "we")
    await _names(page, ["Wels works"])
    await expect(total.last).to_contain_text("1 of 3")
    await expect(page).to_have_url(f"{address}/facilities?by=rate&search=we")
    await page.reload()
    await _names(page, ["Wels works"])
    await page.click("#rows .name")
    await wait_for(page, "#rate", "60.0")


async def test_a_server_that_says_nothing_is_told(
    address: str, page: Page, connection: Connection
) -> None:
    emit(connection, found(connection, "linz"), 20.0)
    await page.clock.install()
    await page.goto(f"{address}/facilities")
    await wait_for(page, "#state-text", "live")
    await page.route("**/v1/**", lambda _: None)
    await page.clock.fast_forward(45_000)
    await expect(page.locator("#state-text")).to_contain_text("no word for")
    await page.unroute("**/v1/**")
    await page.clock.fast_forward(11_000)
    await wait_for(page, "#state-text", "live")


async def test_many_facilities_with_long_names_fit_every_screen(
    address: str, page: Page, connection: Connection
) -> None:
    _facilities(connection)
    for n in range(60):
        found(connection, f"site-{n}")
    connection.execute("UPDATE facility SET name = %s WHERE slug IN ('wels', 'site-7')", (LONG,))
    connection.execute("UPDATE registry_revision SET revision = revision + 1")
    await page.goto(f"{address}/facilities")
    await expect(page.locator("#rows tr")).to_have_count(63)
    for width in WIDTHS:
        await check_width(page, width, 1080, name="facilities")
