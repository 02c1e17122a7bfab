"""Files of history on the page of imports, in a real browser, through ingest's own door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.async_api import Browser, Page, Route, expect

from deploy.site.pictures import CHROMIUM
from services.core.store.operations import keys
from tests.e2e.asking import asking
from tests.e2e.fitting import check_fit
from tests.e2e.pages import opened_page
from tests.e2e.test_dashboard import browser, connection, page, wait_for
from tests.e2e.test_dashboard_corrections import address, door, socket
from tests.e2e.test_dashboard_people import guarded
from tests.integration.aggregator.plant import apply_text

__all__ = ["address", "browser", "connection", "door", "guarded", "page", "socket"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

HOUSEHOLD = Path(__file__).parents[1] / "fixtures" / "household-hourly-kwh-2023-01.csv"
FILE = """
facility: {id: house, name: House, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: hours, quantity: energy, unit: kWh, kind: interval, length: 1h, stamp: start}]
  - id: bills
    channels: [{id: gas, quantity: energy, unit: kWh, kind: event, since: 2020-01-01}]
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources: [{id: s, scope: 2, method: activity, input: meter.hours, factor: f}]
"""


@pytest.fixture
async def rough(browser: Browser) -> AsyncIterator[Page]:
    """A page that is refused something, or loses its connection, which its console says."""
    async with opened_page(browser, viewport={"width": 1440, "height": 900}) as opened:
        yield opened


#: A line of no value.
EMPTY = "2023-01-01T00:00:00Z,\n"


def stored(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT (SELECT count(*) FROM reading)"
        " + (SELECT coalesce(sum(readings), 0) FROM packed_readings)"
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_file_is_chosen_mapped_checked_and_taken(
    address: str, rough: Page, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    page = rough
    apply_text(database_url, FILE)
    await page.goto(f"{address}/import?facility=house")
    await expect(page.locator("#chosen")).to_be_visible()
    await expect(page.locator("#check")).to_be_disabled()
    await page.set_input_files("#chosen", HOUSEHOLD)
    await expect(page.locator("#preview-text")).to_contain_text(
        HOUSEHOLD.read_text().splitlines()[1]
    )
    await page.click("#check")
    # its columns are its own
    await expect(page.locator("#outcome [role=alert]")).to_contain_text(HOUSEHOLD.name)
    await check_fit(page, "import-failed")

    await page.click("#mapping summary")
    await page.click("#draft")
    draft = await page.locator("#table").input_value()
    assert "column:" in draft
    await page.fill("#table", "values: 3")
    await page.click("#check")
    await expect(page.locator("#problems li")).to_contain_text("values")
    await page.fill("#table", table_of(HOUSEHOLD.read_text().splitlines()[0]))
    await page.click("#check")
    rows = len(HOUSEHOLD.read_text().splitlines()) - 1
    await expect(page.locator("#outcome p").first).to_contain_text(f"{rows} would be stored")
    assert stored(connection) == 0
    await check_fit(page, "import-checked")
    await page.click("#take")
    await check_fit(page, "import-confirm")
    await page.get_by_role("button", name="Take it").click()
    await wait_for(page, "#outcome [role=status]", "The file is taken.")
    assert stored(connection) == rows
    await expect(page.locator("#import-rows tbody tr")).to_contain_text("taken")
    await check_fit(page, "import-taken")


def table_of(header: str) -> str:
    """What stands where in the fixture."""
    time, value, quality = header.split(",")
    return (
        f"time: {{column: {time}}}\n"
        f"values: [{{channel: meter.hours, column: {value}, unit: kWh,"
        f" quality: {{column: {quality}, map: {{OK: good}}, default: uncertain}}}}]\n"
    )


async def test_a_lost_connection_and_a_page_left_cost_nothing(
    address: str, rough: Page, database_url: str, tmp_path: Path
) -> None:
    page = rough
    apply_text(database_url, FILE)
    large = tmp_path / "large.csv"
    body = "".join(f"2023-01-{1 + n // 24:02}T{n % 24:02}:00:00Z,1.5\n" for n in range(24 * 28))
    large.write_text("time,meter.hours\n" + body + EMPTY * 60_000 + "2023-01-01T00:00:00Z,x\n" * 9)
    lost = 0

    async def lose(route: Route) -> None:
        nonlocal lost
        lost += 1
        if lost in {2, 3}:
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/content?*", lose)
    await page.goto(f"{address}/import?facility=house")
    await expect(page.locator("#chosen")).to_be_visible()
    await page.set_input_files("#chosen", large)
    await page.click("#check")
    await expect(page.locator("#outcome")).to_contain_text("would be refused")
    assert lost > 3
    await check_fit(page, "import-refused")
    # somebody else's page, or this one later
    await page.reload()
    await expect(page.locator("#import-rows tbody tr")).to_contain_text("checked")
    await page.get_by_role("button", name="Show: large.csv").click()
    await expect(page.locator("#outcome")).to_contain_text("would be refused")
    await expect(page.locator("#take")).to_be_disabled()
    await page.get_by_role("button", name="Remove: large.csv").click()
    await expect(page.locator("#imports-summary")).to_have_text("none yet")


async def test_bills_and_german(
    address: str, page: Page, database_url: str, tmp_path: Path
) -> None:
    apply_text(database_url, FILE)
    bills = tmp_path / "bills.csv"
    bills.write_text("id,channel,from,to,amount\nB-1,bills.gas,2024-01-01,2024-02-01,wrong\n")
    await page.goto(f"{address}/import?facility=house&language=de")
    await expect(page.locator("#chosen")).to_be_visible()
    await page.select_option("#holds", "activities")
    await page.set_input_files("#chosen", bills)
    await page.click("#check")
    await expect(page.locator("#outcome tbody").last).to_contain_text("amount")
    await check_fit(page, "import-german")
    async with asking(address) as client:
        (one,) = (await client.get("/v1/facilities/house/imports")).json()
    assert one["state"] == "checked"


async def test_who_may_not_configure_is_told(guarded: str, page: Page, database_url: str) -> None:
    apply_text(database_url, FILE)
    with psycopg.connect(database_url) as connection:
        key = keys.create(connection, name="viewer", scopes=["read"], facilities=None)
    await page.add_init_script(f"sessionStorage.setItem('tonne-api-key', '{key}')")
    await page.goto(f"{guarded}/import?facility=house")
    await expect(page.locator("#reader")).to_be_visible()
    await expect(page.locator("#file")).to_be_hidden()
    await expect(page.locator("nav a[href='/import']")).to_be_hidden()
