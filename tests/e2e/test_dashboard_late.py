"""Answers that come late, or once more, while somebody chooses, writes or goes by keyboard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, Route, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.asking import asking
from tests.e2e.test_dashboard import address, browser, connection, emit, page, this_minute, wait_for
from tests.e2e.test_dashboard_alerts import fire, limit
from tests.e2e.test_dashboard_unknown import hear
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import found
from tests.integration.api.test_facility_files import ADDRESS, TEXT

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@asynccontextmanager
async def held_back(page: Page, call: str) -> AsyncIterator[asyncio.Event]:
    """Hold the answers to a call back until all that is done here is done; set once one is held."""
    asked, goes_on = asyncio.Event(), asyncio.Event()
    over: list[asyncio.Task[None]] = []

    async def hold(route: Route) -> None:
        over.append(asyncio.current_task())  # type: ignore[arg-type]
        response = await route.fetch()
        asked.set()
        await goes_on.wait()
        await route.fulfill(response=response)

    pattern = re.compile(call)
    await page.route(pattern, hold)
    try:
        yield asked
    finally:
        goes_on.set()
        await asyncio.gather(*over)
        await page.unroute(pattern)


_REFUSED = """
INSERT INTO quarantine (received_at, reason, detail, topic, payload, facility, device)
VALUES (now(), 'unknown-channel', %(detail)s, 'emissions/x', '{}', %(facility)s, 'm')
"""


async def test_of_the_facility_that_was_chosen_before_nothing_is_drawn(
    address: str, page: Page, connection: Connection
) -> None:
    for slug in ("graz", "linz"):
        found(connection, slug)
        connection.execute(_REFUSED, {"facility": slug, "detail": f"of {slug}"})
    await page.goto(f"{address}/devices?facility=graz")
    refused = page.locator("#quarantine-rows tbody tr")
    await expect(refused).to_contain_text("of graz")
    await page.select_option("#facility", "linz")
    await expect(refused).to_contain_text("of linz")
    async with held_back(page, r"/v1/quarantine\?facility=graz") as asked:
        await page.select_option("#facility", "graz")
        await asked.wait()
        await page.select_option("#facility", "linz")
        await expect(refused).to_contain_text("of linz")
    await page.evaluate("() => fetch('/healthz')")
    await expect(refused).to_have_count(1)
    await expect(refused).to_contain_text("of linz")


async def test_the_file_of_another_facility_is_not_put_into_the_editor(
    address: str, page: Page
) -> None:
    other = TEXT.replace("id: works,", "id: other,")
    async with asking(address) as client:
        for path, text in ((ADDRESS, TEXT), (ADDRESS.replace("works", "other"), other)):
            assert (await client.put(path, content=text)).status_code == 200
    editor = page.locator("#text")
    await page.goto(f"{address}/configuration?facility=works")
    await expect(editor).to_have_value(TEXT)
    async with held_back(page, r"/v1/facilities/other$") as asked:
        await page.select_option("#facility", "other")
        await asked.wait()
        # what is typed now would be lost
        await expect(editor).not_to_be_editable()
        await page.select_option("#facility", "works")
        await expect(editor).to_be_editable()
        await editor.press("Control+Home")
        await page.keyboard.type("# mine\n")
    await page.evaluate("() => fetch('/healthz')")
    await expect(editor).to_have_value(f"# mine\n{TEXT}")
    await wait_for(page, "#file-summary", "changed, not applied")


async def test_a_time_that_is_being_written_stays(
    address: str, page: Page, connection: Connection
) -> None:
    emit(connection, found(connection, "linz"), 20.0)
    await page.clock.install()
    await page.goto(f"{address}/history?facility=linz&range=24h")
    await expect(page.locator("#whole")).to_have_attribute("aria-busy", "false")
    await page.locator("#to").fill("2020-01-01T00:00")
    async with page.expect_response(re.compile("/v1/emissions")):
        await page.clock.fast_forward(61_000)
    await expect(page.locator("#to")).to_have_value("2020-01-01T00:00")


async def test_whoever_goes_by_keyboard_stays_on_the_page_of_an_alert(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz")
    emit(connection, plant, 20.0)
    fire(connection, plant, limit(connection, plant, id="rate", measure="rate", above=1),
         this_minute())  # fmt: skip
    (alert,) = connection.execute("SELECT id FROM alert").fetchone() or (0,)
    await page.clock.install()
    await page.goto(f"{address}/alerts?alert={alert}")
    link = page.get_by_role("link", name="The time around it in the history")
    drawn = await link.element_handle()
    await link.focus()
    await page.clock.fast_forward(11_000)
    await page.wait_for_function("(link) => !link.isConnected", arg=drawn)
    await expect(link).to_be_focused()


async def test_a_wall_shows_what_takes_longer_than_its_turn(
    address: str, page: Page, connection: Connection
) -> None:
    for slug in ("graz", "linz"):
        emit(connection, found(connection, slug), 20.0)
    await page.clock.install()
    async with held_back(page, r"/v1/thresholds\?facility=graz") as asked:
        await page.goto(f"{address}/wall?facility=graz,linz&seconds=5")
        await asked.wait()
        await page.clock.fast_forward(10_000)
    name = page.locator("#name")
    await expect(name).not_to_have_text("tonne")
    assert await name.inner_text() == "Graz works"
    await page.clock.fast_forward(6_000)
    await wait_for(page, "#name", "Linz works")


async def test_what_opened_a_form_is_there_when_it_closes(
    address: str, page: Page, connection: Connection, database_url: str
) -> None:
    apply_text(database_url)
    hear(connection, "zigbee2mqtt/Fridge", b'{"energy": 12.5}')
    await page.clock.install()
    await page.goto(f"{address}/devices")
    adopt = page.get_by_role("button", name="Adopt Fridge")
    await adopt.focus()
    async with held_back(page, r"/v1/devices/candidates\?") as asked:
        await page.clock.fast_forward(10_000)
        await asked.wait()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_visible()
        drawn = await adopt.element_handle()
    await page.evaluate("() => fetch('/healthz')")
    assert await page.evaluate("(button) => button.isConnected", drawn)
    await page.keyboard.press("Escape")
    await expect(adopt).to_be_focused()
