"""Alerts and limits on the dashboard, in a real browser."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, Route, expect
from psycopg.types.json import Jsonb

from deploy.site.pictures import CHROMIUM
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
from tests.integration.api.plant import MINUTE, Plant, announce, found

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


def limit(connection: Connection, plant: Plant, **spec: Any) -> int:
    row = connection.execute(
        "INSERT INTO threshold (facility_id, slug, origin, version, spec, in_force_from)"
        " VALUES (%s, %s, 'file', 1, %s, now()) RETURNING id",
        (plant.facility_id, spec["id"], Jsonb({"severity": "critical", **spec})),
    ).fetchone()
    assert row is not None
    return int(row[0])


def fire(
    connection: Connection,
    plant: Plant,
    threshold_id: int,
    fired: datetime,
    present: float | None = None,
    present_at: datetime | None = None,
    **columns: Any,
) -> None:
    row = {
        "facility_id": plant.facility_id, "threshold_id": threshold_id, "threshold_version": 1,
        "state": "firing", "projected": False, "started_at": fired, "fired_at": fired,
        "value": 1250.0, "limit_value": 1000.0, "data_version": 1, "told": True, **columns,
    }  # fmt: skip
    connection.execute(
        f"INSERT INTO alert ({', '.join(row)}) VALUES ({', '.join(f'%({c})s' for c in row)})",  # noqa: S608
        row,
    )
    if "resolved_at" not in columns:
        connection.execute(
            "INSERT INTO threshold_state"
            " (threshold_id, facility_id, state, projected, since, at, value, value_at)"
            " VALUES (%s, %s, 'firing', false, %s, %s, %s, %s)",
            (threshold_id, plant.facility_id, fired, fired, present, present_at or fired),
        )
    announce(connection, plant)


async def test_alerts_are_listed_acknowledged_and_drawn_as_limits(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz", timezone="Europe/Vienna")
    emit(connection, plant, 20.0)
    now = this_minute()
    rate = limit(connection, plant, id="site-rate", measure="rate", above=1000, message="Throttle.")
    limit(connection, plant, id="of-a-source", measure="rate", above=900, source="stack-1")
    month = limit(
        connection, plant, id="month-budget", measure="budget", window="month", budget=1e6,
        above=0.1, severity="warning",
    )  # fmt: skip
    fire(connection, plant, rate, now - 200 * MINUTE, resolved_at=now - 180 * MINUTE,
         state="resolved")  # fmt: skip
    await page.goto(address)
    month_tile = page.locator("#totals li[data-window='month'] .limit")
    # what is used is told of the budget, and where it warns apart; a month begins with little
    await expect(month_tile).to_have_text(
        re.compile(r"^(< )?\d\.\d % of budget 1,000 t, warns at 10 %$")
    )
    await expect(month_tile).to_have_attribute("title", "month-budget")
    await expect(page.locator("#totals li[data-window='today'] .limit")).to_be_empty()
    await expect(page.locator("#alerts li")).to_have_count(1)
    fire(connection, plant, month, now - MINUTE, projected=True, limit_value=1.0, value=0.8,
         room=0.2, crosses_at=now + 500 * MINUTE)  # fmt: skip
    fire(connection, plant, rate, now - 3 * MINUTE)
    await expect(page.locator("#alerts li")).to_have_count(3)
    await wait_for(page, "#alerts-summary", "2 now")
    await expect(page.locator("li[data-state='firing']", has_text="month-budget")).to_contain_text(
        "20 % left"
    )
    connection.execute('UPDATE source SET spec = spec || \'{"name": "Kiln 1"}\'')
    share = limit(connection, plant, id="known", measure="coverage", window="1h", below=0.9,
                  source="stack-1")  # fmt: skip
    fire(connection, plant, share, now - 2 * MINUTE, limit_value=0.9, value=0.5)
    named = page.locator("#alerts li", has_text="known: below 90 %")
    await expect(named).to_contain_text("coverage (1h), Kiln 1")
    # each leads to its own page, also when its text has changed
    links = page.locator("#alerts li .title a")
    await expect(links).to_have_count(4)
    await expect(named.locator("a")).to_have_attribute("href", re.compile(r"^/alerts\?alert=\d+$"))
    firing = page.locator("li[data-state='firing']", has_text="site-rate")
    await expect(firing).to_contain_text("above 1,000 kg/h")
    await expect(firing).to_contain_text("Throttle.")
    await firing.locator("input").fill("a valve stuck")
    await firing.locator("button").click()
    await expect(firing.locator(".known-by")).to_contain_text("“a valve stuck”")
    await expect(firing.locator("button")).to_have_text("Comment")
    await page.wait_for_function(
        """() => {
            const { shown, layout } = document.getElementById("chart").plot ?? {};
            const lines = document.querySelectorAll("#chart .limit-line");
            return lines.length === 1 && lines[0].textContent === "site-rate"
              && shown.limits[0].value === 1000 && layout.y(1000) > layout.top;
        }"""
    )
    for width in (1440, 390):
        await check_width(page, width, name="alerts")
        ticks = page.locator("#chart .xtick")
        assert 0 < await ticks.count() <= (4 if width < 700 else 12)


async def test_alerts_leave_the_main_figure_on_the_screen(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz")
    emit(connection, plant, 20.0)
    begins = this_minute() - 30 * MINUTE
    for n in range(20):
        severity = "critical" if n == 7 else ["info", "warning"][n % 2]
        threshold = limit(
            connection, plant, id=f"t{n}", measure="rate", above=n + 1, severity=severity
        )
        fire(connection, plant, threshold, begins + n * MINUTE)
    for width, height in ((1440, 900), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.goto(address)
        await wait_for(page, "#alerts-summary", "20 now")
        await expect(page.locator("#rate")).to_be_in_viewport(ratio=1)
        # and so is the most severe of them
        await expect(page.locator("#alerts li").first).to_contain_text("t7: above 1,000 kg/h")
        await expect(page.locator("#alerts li .title").first).to_be_in_viewport(ratio=1)
        # a few stand above the chart; all of them where somebody asks for them, by keyboard too
        severities = page.locator("#alerts .severity")
        await expect(severities).to_have_text(["critical"] + 4 * ["warning"])
        more = page.locator("#alerts-more")
        await more.focus()
        await page.keyboard.press("Enter")
        await expect(severities).to_have_text(["critical"] + 9 * ["warning"] + 10 * ["info"])
        await expect(more).to_have_attribute("aria-expanded", "true")
        # what somebody is writing in stays, although others are more severe
        last = page.locator("#alerts input").last
        await last.fill("the valve")
        emit(connection, plant, 21.0)
        await wait_for(page, "#rate", "1,260")
        await more.click()
        await expect(severities).to_have_count(5)
        emit(connection, plant, 20.0)


async def test_what_people_wrote_is_text_and_never_markup(
    address: str, page: Page, connection: Connection
) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"><b id=owned>"
    plant = found(connection, "linz")
    connection.execute("UPDATE facility SET name = %s", (hostile,))
    emit(connection, plant, 20.0)
    rate = limit(connection, plant, id="rate", measure="rate", above=1, message=hostile)
    fire(connection, plant, rate, this_minute(), acked_at=this_minute(), acked_by=hostile)
    await page.goto(address)
    firing = page.locator("#alerts li")
    await expect(firing.locator(".words")).to_have_text(hostile)
    await expect(firing.locator(".known-by")).to_contain_text(hostile)
    await firing.locator("input").fill(hostile)
    await firing.locator("button").click()
    await expect(firing.locator(".known-by")).to_contain_text(f"“{hostile}”")
    # the page fixture fails for what its policy had to stop, and for what is fetched
    await expect(page.locator("#owned, img[src=x]")).to_have_count(0)
    assert await page.title() != "owned"


async def test_what_was_read_before_draws_nothing_over_what_is_newer(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz")
    emit(connection, plant, 20.0)
    now = this_minute()
    rate = limit(connection, plant, id="rate", measure="rate", above=1)
    fire(connection, plant, rate, now - 9 * MINUTE, resolved_at=now - 8 * MINUTE, state="resolved")
    fire(connection, plant, rate, now)
    is_asked_for = asyncio.Event()

    async def late(route: Route) -> None:
        await is_asked_for.wait()
        await route.continue_()

    await page.route(re.compile(r"/v1/alerts\?.*state=resolved"), late)
    await page.goto(address)
    firing = page.locator("#alerts li[data-state='firing']")
    await firing.locator("input").fill("a valve stuck")
    await firing.locator("button").click()
    await expect(firing.locator(".known-by")).to_contain_text("“a valve stuck”")
    await page.evaluate(
        """() => {
            window.drawn = [];
            const words = document.querySelector("#alerts li[data-state='firing'] .known-by");
            new MutationObserver(() => drawn.push(words.textContent))
              .observe(document.getElementById("alerts"), { childList: true, subtree: true });
        }"""
    )
    is_asked_for.set()
    await expect(page.locator("#alerts li[data-state='resolved']")).to_have_count(1)
    drawn = await page.evaluate("window.drawn")
    assert drawn
    assert all("“a valve stuck”" in words for words in drawn), drawn
