"""The page of paths to net zero: its figures, forecasts called so, and a fit to every screen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from services.aggregator.summing import Summing
from services.core.facility.organisation_file import parse_organisation
from services.core.store.database.connect import engine
from services.core.store.registry.organisations import apply_organisation
from tests.e2e.fitting import check_width
from tests.e2e.test_dashboard import address, browser, connection, page, this_minute, wait_for
from tests.e2e.test_dashboard_widths import LONG, WIDTHS
from tests.integration.aggregator.plant import apply_text

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

_FILE = """
facility: {id: works, name: NAME, timezone: UTC}
devices:
  - id: meter
    channels: [{id: p, quantity: power, unit: kW, kind: gauge, uncertainty: 2}]
factors: [{id: f, unit: kWh, co2_kg: 0.25, uncertainty: 3, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: meter.p, factor: f}]
pathway:
  - scope: 2
    figure: co2
    base: {year: FIRST, tonnes: 100, citation: verified report}
    policy: sbti-1.5c-2019
    residual: 10
    actual: [{year: STATED, tonnes: 95}]
"""

# 8 kg an hour on working days, 2 kg at weekends, a tenth more until a year and a half ago.
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, hour, m, m, m, 3600000, 1, true, 'measured', 'closed', hour, hour
FROM source s CROSS JOIN generate_series(%(first)s::timestamptz, %(last)s, interval '1 hour') hour
CROSS JOIN LATERAL (SELECT 100000000::int8 * CASE WHEN hour < %(changed)s THEN 11 ELSE 10 END
    * CASE WHEN extract(isodow FROM hour) > 5 THEN 2 ELSE 8 END AS m) x
WHERE s.slug = 'grid'
"""


def works(connection: Connection, database_url: str, name: str = "Works") -> datetime:
    """A path of a base year three years back, one stated year after it, then hours up to now."""
    now = this_minute()
    text = _FILE.replace("FIRST", f"{now.year - 3}").replace("STATED", f"{now.year - 2}")
    apply_text(database_url, text.replace("NAME", name))
    hour = now.replace(minute=0)
    connection.execute(
        _HOURS,
        {
            "first": datetime(now.year - 1, 1, 1, tzinfo=now.tzinfo),
            "last": hour - timedelta(hours=1),
            "changed": hour - timedelta(days=400),
        },
    )
    summing = Summing()
    while summing.step(connection, now):
        pass
    return now


async def test_a_path_says_what_is_left_how_long_it_lasts_and_what_is_expected(
    address: str, page: Page, connection: Connection, database_url: str
) -> None:
    now = works(connection, database_url)
    await page.goto(address)
    await page.click("nav >> text=Net zero")
    await expect(page).to_have_url(f"{address}/pathway?facility=works")
    await wait_for(page, ".path h2", "Scope 2, CO₂")
    allowed = 100 - 4.2 * 3
    facts = page.locator(".path .facts")
    await expect(facts).to_contain_text(f"Left of {now.year}")
    await expect(facts).to_contain_text(f"of {allowed:.1f}0 t emitted")
    await expect(facts).to_contain_text("as in the last 24 hours")
    await expect(facts).to_contain_text("less than allowed")
    expected = page.locator(".expected")
    await expect(expected).to_contain_text("it is not measured")
    await expect(expected.locator("li")).to_have_count(3)
    await expect(expected.locator("li").first).to_contain_text("is known")
    await page.wait_for_function(
        """() => [...document.querySelectorAll(".charts .plot")].length === 2
            && document.querySelector(".charts .plot").plot?.shown.lines[0].name === 'allowed'"""
    )
    names = "({ plot: { shown } }) => [...shown.series, ...shown.lines].map(s => s.name).join()"
    by_year = page.locator(".charts .plot").first
    assert await by_year.evaluate(names) == "emitted,stated,expected,allowed"
    await page.click("summary")
    rows = page.locator(".years tbody tr")
    await expect(rows.first).to_contain_text(f"{now.year - 2}")
    await expect(rows.first).to_contain_text("stated")


async def test_paths_are_added_up_and_what_has_none_is_told(
    address: str, page: Page, database_url: str
) -> None:
    now = this_minute()
    text = _FILE.replace("FIRST", f"{now.year - 1}").replace(
        "    actual: [{year: STATED, tonnes: 95}]\n", ""
    )
    apply_text(database_url, text.replace("NAME", "Works"))
    apply_text(database_url, text.replace("id: works, name: NAME", "id: other, name: Other"))
    plain = text.partition("pathway:")[0]
    apply_text(database_url, plain.replace("id: works, name: NAME", "id: plain, name: Plain"))
    await page.goto(f"{address}/pathway?facility=plain")
    await expect(page.locator("#notice")).to_contain_text("states no path: add pathway to it")
    await expect(page.locator("#notice code")).to_have_text("pathway")
    await page.select_option("#facility", "")
    await expect(page.locator(".path .head")).to_contain_text("sum of other, works")
    await expect(page.locator(".path .facts")).to_contain_text("191.6 t allowed; nothing is known")
    # of a sum there is no forecast
    await expect(page.locator(".expected li")).to_have_count(0)
    paths = text.partition("pathway:")[2].replace("tonnes: 100", "tonnes: 300")
    bind = engine(database_url, process="test")
    with bind.begin() as opened:
        group = "organisation: {id: group, name: Group}\nfacilities: [{id: works}, {id: other}]\n"
        apply_organisation(opened, parse_organisation(f"{group}pathway:{paths}"))
    bind.dispose()
    await page.goto(f"{address}/pathway?organisation=group")
    await expect(page.locator(".path .facts")).to_contain_text("287.4 t allowed; nothing is known")
    await expect(page.locator("#facility option").first).to_have_text("group")
    await page.select_option("#facility", "works")
    await expect(page.locator(".path .facts")).to_contain_text("95.80 t allowed; nothing is known")
    await page.goto(f"{address}/?facility=plain")
    await expect(page.locator("#state-text")).to_have_text("live")
    await expect(page.locator("nav.pages a[aria-current]")).to_have_text("Live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_path_fits_every_screen(
    address: str, page: Page, connection: Connection, database_url: str, scheme: str
) -> None:
    works(connection, database_url, LONG)
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.goto(f"{address}/pathway?facility=works")
    await page.wait_for_selector(".charts .picture")
    await page.click("summary")
    for width in WIDTHS:
        await check_width(page, width, 1080, name=f"path-{scheme}")
        assert await page.evaluate(
            "() => [...document.querySelectorAll('.picture')].every(s => "
            "s.getBoundingClientRect().right <= s.closest('.path').getBoundingClientRect().right)"
        )
