"""The pages of history and of an hour that is explained, in a real browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.fitting import check_width
from tests.e2e.test_dashboard import address, browser, connection, page, wait_for
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import HOUR, KG, at

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

#: Ten sources of one meter each: more than have bars of their own.
_FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
""" + "".join(
    f"  - {{id: m{i}, channels: [{{id: energy, quantity: energy, unit: kWh, kind: counter}}]}}\n"
    for i in range(10)
) + """
factors: [{id: grid, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, citation: certificate 2026}]
sources:
""" + "".join(
    f"  - {{id: s{i}, scope: {1 + i % 2}, method: activity, input: m{i}.energy, factor: grid}}\n"
    for i in range(10)
) + """
thresholds:
  - {id: of-a-day, measure: total, window: 24h, above: 4000}
  - {id: of-an-hour, measure: total, window: 1h, above: 150}
"""  # fmt: skip
#: A week in which the clock of Vienna is set forward.
_FIRST = at("2026-03-25T23:00:00Z")
_HOURS = 7 * 24 - 1
_WEEK = "facility=linz&from=2026-03-26T00:00&to=2026-04-02T00:00"


def _hours(connection: Connection) -> None:
    """Source ``i`` emits ``10 + i`` kg an hour; of s9 a day is unknown and the next filled in."""
    rows = []
    for i in range(10):
        (source,) = connection.execute(
            "SELECT id FROM source WHERE slug = %s", (f"s{i}",)
        ).fetchone() or (0,)
        for hour in range(_HOURS):
            if i == 9 and 48 <= hour < 72:
                continue
            quality = "substituted" if i == 9 and 72 <= hour < 95 else "measured"
            covered = 0 if quality == "substituted" else 3_600_000
            rows.append((source, _FIRST + hour * HOUR, (10 + i) * KG, covered, quality))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms,"
            " quality, version, final, reason, activity_n)"
            " VALUES (%s, %s, %s, %s, 0, %s, %s, 1, true, 'closed', 40000000000)",
            [
                (source, hour, ug, ug, covered, quality)
                for source, hour, ug, covered, quality in rows
            ],
        )


@pytest.fixture
def week(connection: Connection, database_url: str) -> None:
    apply_text(database_url, _FILE)
    _hours(connection)


async def _fits(page: Page, *widths: int) -> None:
    for width in widths:
        await check_width(page, width)


@pytest.mark.usefixtures("week")
async def test_a_range_says_what_the_api_says(address: str, page: Page) -> None:
    await page.goto(f"{address}/history?{_WEEK}")
    await expect(page.locator("#whole")).to_have_attribute("aria-busy", "false")
    async with asking(address) as client:
        answer = await client.get(
            "/v1/emissions?facility=linz&interval=1h&group_by=facility"
            "&from=2026-03-25T23:00:00Z&to=2026-04-01T22:00:00Z"
        )
    kg = sum(row["co2_kg"] for row in answer.json())
    assert kg == pytest.approx(145 * _HOURS - 19 * 24)
    await wait_for(page, "#mass", f"{kg / 1000:.2f}")
    await wait_for(page, "#whole-title", "Linz works, Thu, 26 Mar 2026 \u2013 Wed, 1 Apr 2026")
    await expect(page.locator("#said")).to_contain_text("1.4 % substituted")
    await expect(page.locator("#said")).to_contain_text("98.6 % of the time known")
    # 24 hours, but 23 of the day on which the clock is set forward
    await page.select_option("#bars", "1d")
    await page.click("summary")
    rows = page.locator("#table-body tr")
    await expect(rows).to_have_count(7)
    await expect(rows.nth(3).locator("td[data-label='s3']")).to_have_text("299 kg")
    await expect(rows.nth(2).locator("td[data-label='All']")).to_have_text("3.02 t")
    # the seven largest by themselves, the others as one
    await expect(page.locator("#legend li")).to_have_text(
        ["s3", "s4", "s5", "s6", "s7", "s8", "s9", "3 others", "substituted", "without data"]
    )
    # limits of what is shown: of a day beside days, and none of an hour there
    lines = page.locator("#bars-chart .limit-line")
    await expect(lines).to_have_text(["of-a-day"])
    await page.select_option("#by", "scope")
    await expect(page.locator("#legend li").first).to_have_text("scope 1")
    await expect(rows.first.locator("td[data-label='scope 1']")).to_have_text("1.68 t")
    assert page.url.endswith(f"{_WEEK.replace(':', '%3A')}&bars=1d&by=scope")
    await _fits(page, 390, 1440, 3840)


@pytest.mark.usefixtures("week")
async def test_a_time_beside_another_is_only_compared_where_as_much_is_known(
    address: str, page: Page
) -> None:
    days = "facility=linz&from=2026-03-31T00:00&to=2026-04-01T00:00&bars=1h&compare=before"
    await page.goto(f"{address}/history?{days}")
    said = page.locator("#said")
    await expect(said).to_contain_text("within 0.1 % of the time before (Mon, 30 Mar 2026) 3.48 t")
    await page.goto(f"{address}/history?{days.replace('-31', '-29').replace('04-01', '03-30')}")
    await expect(said).to_contain_text("not comparable, 90.0 % of that time is known and 100 %")


@pytest.mark.usefixtures("week")
async def test_one_goes_from_a_week_to_a_day_to_an_hour_and_its_versions(
    address: str, page: Page, connection: Connection
) -> None:
    connection.execute(
        "INSERT INTO emission_hour_history (source_id, hour, co2_ug, co2e_ug, market_ug,"
        " covered_ms, version, final, quality, reason, known_at, superseded_at)"
        " SELECT source_id, hour, 5e9, 5e9, 0, 1800000, 1, false, 'partial', 'open',"
        " known_at - interval '2 days', known_at"
        " FROM emission_hour JOIN source s ON s.id = source_id WHERE s.slug = 's9' AND hour = %s",
        (_FIRST + timedelta(hours=10),),
    )
    connection.execute(
        "UPDATE emission_hour SET version = 2, reason = 'late readings', code = 'quadrants'"
        " FROM source s"
        " WHERE s.id = source_id AND s.slug = 's9' AND hour = %s",
        (_FIRST + timedelta(hours=10),),
    )
    await page.goto(f"{address}/history?{_WEEK}&bars=1d")
    await expect(page.locator("#bars-chart .bars").first).to_be_attached()
    restated = "1 hour was restated by +14.0 kg (late readings)"
    await expect(page.locator("#marks")).to_contain_text(restated)
    box = await page.locator("#bars-chart .ground").bounding_box()
    assert box is not None
    # the first bar of seven
    await page.mouse.click(box["x"] + box["width"] / 14, box["y"] + box["height"] * 0.9)
    await page.wait_for_url("**from=2026-03-26T00%3A00&to=2026-03-27T00%3A00*")
    await page.focus("#bars-chart")
    await page.keyboard.press("ArrowRight")
    await wait_for(page, "#whole-title", "Linz works, Fri, 27 Mar 2026")
    await page.keyboard.press("ArrowLeft")
    await page.select_option("#bars", "1h")
    await wait_for(page, "#mass", "3.48")
    await page.click("summary")
    cell = page.locator("#table-body tr").nth(10).locator("td[data-label='s9'] a")
    await expect(cell).to_have_text("19.0 kg")
    await cell.click()
    await page.wait_for_url("**/explain?facility=linz&source=s9&hour=2026-03-26T09%3A00%3A00.000Z")
    await wait_for(page, "#hour .figure", "19.0")
    await wait_for(page, ".formula", "40 kWh \u00d7 0.25 kg CO₂ per kWh")
    await expect(page.locator("#hour")).to_contain_text("certificate 2026")
    await expect(page.locator("#hour")).to_contain_text("late readings")
    # why an hour is valid is said in words
    valid = "a data point in each quarter of its operation"
    await expect(page.locator("#hour .facts").first).to_contain_text(valid)
    await page.click("button[aria-label='Show version 1']")
    await wait_for(page, "#hour .figure", "5.00")
    await expect(page.locator("#hour .doubt").first).to_contain_text("As it was known on")
    await page.click("text=Readings of this hour")
    await expect(page.locator("#hour")).to_contain_text("There is no reading in this hour itself.")
    await page.click("text=Hour after")
    await expect(page.locator("#at")).to_have_value("2026-03-26T11:00")
    await _fits(page, 390, 1440)


async def test_wall_times_are_the_instants_of_a_zone(address: str, page: Page) -> None:
    await page.goto(f"{address}/history")
    instants = await page.evaluate(
        """async () => {
            const { instantOf } = await import("/assets/zones.js");
            return [
                ["2026-03-29T01:30", "Europe/Vienna"], ["2026-10-25T02:30", "Europe/Vienna"],
                ["2026-10-25T03:00", "Europe/Vienna"], ["2026-07-01T00:00", "Asia/Kolkata"],
                ["2026-01-01T00:00", "America/St_Johns"],
                ["2026-04-05T02:30", "Australia/Lord_Howe"],
            ].map(([wall, zone]) => new Date(instantOf(wall, zone)).toISOString());
        }"""
    )
    assert instants == [
        "2026-03-29T00:30:00.000Z", "2026-10-25T00:30:00.000Z",
        "2026-10-25T02:00:00.000Z", "2026-06-30T18:30:00.000Z",
        "2026-01-01T03:30:00.000Z", "2026-04-04T16:00:00.000Z",
    ]  # fmt: skip


@pytest.mark.usefixtures("week")
async def test_a_wrong_address_shows_the_last_days_and_a_wrong_range_says_why(
    address: str, page: Page
) -> None:
    await page.goto(f"{address}/history?from=tomorrow&bars=3h&by=x&compare=y")
    await expect(page).to_have_url(f"{address}/history?facility=linz&range=7days")
    await expect(page.locator("#whole")).to_have_attribute("aria-busy", "false")
    await page.fill("#to", "2020-01-01T00:00")
    await page.dispatch_event("#to", "change")
    await expect(page.locator("#notice")).to_contain_text("The range ends before it begins")


@pytest.mark.usefixtures("week")
@pytest.mark.parametrize(
    "path",
    ["/", "/history", "/explain", "/pathway", "/alerts", "/devices", "/reports", "/configuration"],
)
async def test_a_link_to_what_one_may_not_see_shows_nothing_else_instead(
    address: str, page: Page, path: str
) -> None:
    await page.goto(f"{address}{path}?facility=nowhere&source=s9")
    await wait_for(
        page, "#notice", "There is no facility nowhere that you may see: choose another one."
    )
    assert "facility=nowhere" in page.url
    assert "Linz" not in await page.title()
    await page.select_option("#facility", "linz")
    await expect(page).to_have_url(re.compile("facility=linz"))
    if path == "/explain":
        # s9 was meant of the other one
        await expect(page.locator("#source")).to_have_value("s0")
    await page.goto("about:blank")


async def test_a_source_that_left_the_file_is_explained_and_no_other_one(
    address: str, page: Page, connection: Connection, database_url: str
) -> None:
    apply_text(database_url, _FILE)
    _hours(connection)
    connection.execute("UPDATE source SET active = false WHERE slug = 's9'")
    hour = "2026-03-28T08:00:00Z"
    await page.goto(f"{address}/explain?facility=linz&source=s8&hour={hour}")
    await expect(page.locator("#hour h1")).to_contain_text("s8 (scope 1)")
    await page.goto(f"{address}/explain?facility=linz&source=s9&hour={hour}")
    await expect(page.locator("#hour h1")).to_contain_text("s9 (scope 2)")
    await expect(page.locator("#source")).to_have_value("s9")


@pytest.mark.usefixtures("week")
async def test_a_step_back_shows_what_was_shown_before(address: str, page: Page) -> None:
    await page.goto(f"{address}/history?{_WEEK}")
    whole = page.locator("#whole-title")
    week = "Linz works, Thu, 26 Mar 2026 \u2013 Wed, 1 Apr 2026"
    await expect(whole).to_have_text(week)
    await page.select_option("#by", "scope")
    await page.click("#earlier")
    await expect(whole).to_have_text("Linz works, Thu, 19 Mar 2026 \u2013 Wed, 25 Mar 2026")
    await page.go_back()
    await expect(whole).to_have_text(week)
    await expect(page.locator("#by")).to_have_value("scope")
    await expect(page.locator("#from")).to_have_value("2026-03-26T00:00")
    await page.go_back()
    await expect(page.locator("#by")).to_have_value("source")
    await expect(page.locator("#legend li").first).to_have_text("s3")
    await page.go_forward()
    await expect(page.locator("#legend li").first).to_have_text("scope 1")


_BUDGETS = """
  - {id: of-all, measure: budget, window: year, budget: 1000, above: 0.1}
  - {id: of-s1, source: s1, measure: budget, window: month, budget: 100000, above: 0.9}
"""


async def test_budgets_that_run_burn_down(
    address: str, page: Page, connection: Connection, database_url: str
) -> None:
    apply_text(database_url, _FILE + _BUDGETS)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    connection.execute(
        "INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms,"
        " quality, version, final, reason, activity_n)"
        " SELECT id, %s, %s, %s, 0, 3600000, 'measured', 1, true, 'closed', 0 FROM source",
        (now - HOUR, 150 * KG, 150 * KG),
    )
    await page.goto(f"{address}/history?facility=linz")
    figures = page.locator("#budgets figure")
    await expect(figures).to_have_count(2)
    async with asking(address) as client:
        asked = {"facility": "linz", "group_by": "facility", "interval": "1y", "from": "now/y"}
        rows = (await client.get("/v1/emissions", params=asked)).json()
    # in the first hour of a year the hour before is last year's
    used = rows[-1]["co2_kg"] or 0
    said = figures.nth(0).locator(".said li")
    assert used in {0, 1500}
    await expect(said.nth(0)).to_contain_text("1.50 t of 1.00 t used, 150 %" if used else "0 kg of")
    await expect(said.nth(1)).to_have_text("500 kg over the budget" if used else "1.00 t left")
    await expect(said.nth(2)).to_contain_text("of the time so far is unknown, so more may be used")
    await expect(figures.nth(1).locator("figcaption")).to_contain_text("s1, budget of the month")
    await expect(figures.nth(1).locator(".plot .picture")).to_be_visible()
    await figures.nth(0).locator("summary").click()
    newest = figures.nth(0).locator("tbody tr").first.locator("td")
    await expect(newest.nth(0)).to_have_text("-500 kg" if used else "1.00 t")
    await expect(newest.nth(2)).to_contain_text("%")
    await _fits(page, 390, 1440)
