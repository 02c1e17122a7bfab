"""What a page says of a fault of its own, and of an API that is away: they are told apart."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from playwright.async_api import Browser, Page, Route, expect

from deploy.site.pictures import CHROMIUM
from tests.e2e.pages import opened_page
from tests.e2e.test_dashboard import address, browser, connection, emit, wait_for
from tests.integration.api.plant import found

__all__ = ["address", "browser", "connection"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

_FAULT = re.compile(r"^This page has a fault: load it again, and report it if it stays \(.+\)\.$")
_AWAY = re.compile(r"^The API cannot be reached; ")

#: Pages, each with a call that it cannot do without.
_PAGES = {
    "/": "facilities",
    "/facilities": "overview",
    "/history?facility=linz": "emissions",
    "/explain?facility=linz&source=s": "explain",
    "/alerts": "alerts",
    "/devices": "devices",
    "/reports": "reports/emissions",
    "/pathway": "pathway",
    "/configuration?facility=linz": "me",
    "/import?facility=linz": "facilities/linz/imports",
    "/audit": "audit",
}


@pytest.fixture
async def bare(browser: Browser, connection: Connection) -> AsyncIterator[Page]:
    """A page that may log errors, over a facility."""
    emit(connection, found(connection, "linz", sources=[("s", 1, None)]), 20.0)
    async with opened_page(browser) as opened:
        yield opened


@pytest.mark.parametrize("path", _PAGES)
async def test_a_fault_of_the_page_is_no_api_that_is_away(
    address: str, bare: Page, path: str
) -> None:
    call = re.compile(rf"/v1/{_PAGES[path]}(\?|$)")

    async def answer_nonsense(route: Route) -> None:
        # what no page expects makes its code fail
        await route.fulfill(status=200, json=7)

    async def refuse_connection(route: Route) -> None:
        await route.abort("connectionrefused")

    await bare.route(call, answer_nonsense)
    await bare.goto(f"{address}{path}")
    await expect(bare.locator("#notice")).to_have_text(_FAULT)
    await bare.unroute(call)
    await bare.route(call, refuse_connection)
    await bare.goto(f"{address}{path}")
    await expect(bare.locator("#notice")).to_have_text(_AWAY)
    await bare.goto("about:blank")


async def test_a_fault_in_drawing_is_told_and_ends_no_stream(address: str, bare: Page) -> None:
    await bare.route("**/totals.js", lambda route: route.fulfill(
        content_type="text/javascript",
        body="let n = 0; export const limitText = () => '';"
             " export function drawTotals() { n += 1; if (n === 1) throw new Error('a fault'); }",
    ))  # fmt: skip
    await bare.goto(address)
    await expect(bare.locator("#notice")).to_have_text(_FAULT)
    # the next event is drawn
    await wait_for(bare, "#rate", "1,200")
    await wait_for(bare, "#state-text", "live")
    await bare.goto("about:blank")
