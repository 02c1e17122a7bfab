"""The documentation in a real browser: whole at both widths, and nothing from elsewhere."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.site.build import build_if_stale
from deploy.site.pictures import CHROMIUM
from tests.e2e.pages import opened_page
from tests.e2e.test_dashboard import address, browser

__all__ = ["address", "browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.mark.parametrize("width", [1280, 390])
async def test_pages_fit_search_finds_and_the_reference_asks(
    browser: Browser,
    address: str,
    width: int,
) -> None:
    build_if_stale()
    async with opened_page(browser, viewport={"width": width, "height": 844}) as page:
        await _look_at(page, address, width)


async def _look_at(page: Page, address: str, width: int) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on(
        "request",
        lambda r: None if r.url.startswith((address, "data:")) else complaints.append(r.url),
    )
    for path in ("", "reference/facility-file.html", "trust/limits.html", "howto/stack.html"):
        await page.goto(f"{address}/docs/{path}", wait_until="networkidle")
        too_wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, path
    if width > 1000:
        # key by key: the search listens to keys, not to a value that is there at once
        await page.locator("input.md-search__input").press_sequentially("quarantine")
        await expect(page.locator(".md-search-result__item").first).to_be_visible()
    else:
        await _ask_by_the_reference(page, address)
    assert complaints == []


async def _ask_by_the_reference(page: Page, address: str) -> None:
    """Try a call, once: to draw all of the API's calls takes seconds of a processor."""
    await page.goto(f"{address}/docs/reference/http.html")
    frame = page.frame_locator("iframe.swagger-ui-iframe")
    await frame.locator("#operations-facilities-get_facilities .opblock-summary-control").click()
    await frame.locator(".try-out__btn").click()
    await frame.locator(".execute").click()
    # the server's own answer, which is that there is no facility
    await expect(frame.locator(".live-responses-table").first).to_be_visible()
