"""The page of reports, in a real browser."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, Route, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.fitting import check_fit
from tests.e2e.test_dashboard import address, browser, connection, page
from tests.e2e.test_dashboard_widths import LONG
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import HOUR, KG, at

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

_FILE = f"""
facility: {{id: linz, name: {LONG}, timezone: Europe/Vienna}}
devices:
  - id: m
    channels: [{{id: energy, quantity: energy, unit: kWh, kind: counter}}]
factors: [{{id: grid, unit: kWh, co2_kg: 0.25, citation: certificate}}]
sources: [{{id: grid, name: {LONG}, scope: 2, method: activity, input: m.energy, factor: grid}}]
"""
#: 00:00 of 1 March in Vienna
_FIRST = at("2026-02-28T23:00:00Z")


@pytest.fixture
def month(connection: Connection, database_url: str) -> None:
    """A day of March: 10.5 kg an hour, the rest is missing."""
    apply_text(database_url, _FILE)
    (source,) = connection.execute("SELECT id FROM source").fetchone() or (0,)
    ug = 10 * KG + KG // 2
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms,"
            " quality, version, final, reason, activity_n) VALUES"
            " (%s, %s, %s, %s, %s, 3600000, 'measured', 1, true, 'closed', 42000000000)",
            [(source, _FIRST + hour * HOUR, ug, ug, ug) for hour in range(24)],
        )


@pytest.mark.usefixtures("month")
async def test_a_report_says_what_the_api_says(address: str, page: Page) -> None:
    await page.goto(f"{address}/reports?facility=linz&period=2026-03")
    await expect(page.locator("#report")).to_have_attribute("aria-busy", "false")
    asked = {"facility": "linz", "period": "2026-03"}
    async with asking(address) as client:
        body = (await client.get("/v1/reports/emissions", params=asked)).json()
    assert body["totals"][0]["co2_kg"] == 252.0
    cells = page.locator("#table-totals tbody tr").first
    await expect(cells.locator('[data-key="co2_kg"]')).to_have_text("252.000")
    await expect(cells.locator('[data-key="state"]')).to_have_text("provisional")
    said = await page.locator("#remarks li").all_inner_texts()
    assert said == [remark["text"] for remark in body["remarks"]]
    # what has to be known stands before any figure
    assert "unknown" in said[0] or "provisional" in said[0]
    await check_fit(page, "reports")
    async with page.expect_download() as started:
        await page.click("#xlsx")
    assert (await started.value).suggested_filename == "linz-2026-03.xlsx"
    await page.emulate_media(media="print")
    await expect(page.locator("nav.pages")).to_be_hidden()
    await expect(page.locator("#title")).to_contain_text("2026-03")


@pytest.mark.usefixtures("month")
async def test_a_quarter_of_all_facilities_is_chosen_by_hand(address: str, page: Page) -> None:
    await page.goto(f"{address}/reports")
    await expect(page.locator("#report")).to_have_attribute("aria-busy", "false")
    # the last month that is over, of all facilities
    await expect(page.locator("#facility")).to_have_value("")
    assert len(await page.locator("#period").input_value()) == len("2026-03")
    await page.select_option("#kind", "quarter")
    await expect(page.locator("#facts")).to_contain_text("-Q")
    await expect(page.locator("#pdf")).to_have_attribute(
        "href",
        "/v1/reports/emissions?period="
        + (await page.locator("#period").input_value())
        + "&language=en&format=pdf",
    )


@pytest.mark.usefixtures("month")
async def test_of_many_sources_the_largest_are_shown_and_paper_has_all(
    address: str, page: Page
) -> None:
    async def multiply(route: Route) -> None:
        response = await route.fetch()
        body = await response.json()
        (row,) = body["sources"]
        sources = [{**row, "name": f"source {i}", "co2_kg": float(i)} for i in range(199)]
        body["sources"] = [{**row, "name": "unknown", "co2_kg": None}, *sources]
        await route.fulfill(response=response, json=body)

    await page.route("**/v1/reports/emissions?*", multiply)
    await page.goto(f"{address}/reports?facility=linz&period=2026-03")
    rows = page.locator("#table-sources tbody tr")
    await expect(rows).to_have_count(200)
    await expect(rows.filter(visible=True)).to_have_count(20)
    await expect(rows.first.locator('[data-key="name"]')).to_have_text("source 198")
    # nothing is known of the last one
    await expect(rows.last.locator('[data-key="name"]')).to_have_text("unknown")
    more = page.get_by_role("button", name="Show 180 smaller sources")
    await expect(more).to_have_attribute("aria-expanded", "false")
    await page.emulate_media(media="print")
    await expect(rows.filter(visible=True)).to_have_count(200)
    await expect(page.locator("#table-sources .fold")).to_be_hidden()
    await page.emulate_media(media="screen")
    await more.click()
    await expect(rows.filter(visible=True)).to_have_count(200)
    await page.get_by_role("button", name="Show fewer").click()
    await expect(rows.filter(visible=True)).to_have_count(20)
    await page.goto("about:blank")
