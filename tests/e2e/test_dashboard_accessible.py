"""Every page, light and dark, at a desk and on a phone: axe-core finds nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from playwright.async_api import Page

from deploy.site.pictures import CHROMIUM
from services.api.routes.dashboard import _PAGES
from tests.e2e.axe import violations
from tests.e2e.test_dashboard import address, browser, connection, page
from tests.e2e.test_dashboard_languages import ANSWERED
from tests.e2e.test_dashboard_widths import plant_everything

__all__ = ["address", "browser", "connection", "page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

#: What a page shows on demand is read too.
_OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"


async def _show(page: Page, address: str) -> None:
    await page.goto(address)
    await page.wait_for_function(ANSWERED, arg={"loading": "loading", "connecting": "connecting"})
    await page.evaluate(_OPEN_ALL)


async def test_every_full_page_can_be_read_by_everybody(
    address: str, page: Page, connection: psycopg.Connection[Any]
) -> None:
    await plant_everything(address, connection)
    (alert,) = connection.execute("SELECT id FROM alert").fetchone() or (0,)
    broken = {}
    for path in [*(f"{path}?facility=everything" for path in _PAGES), f"/alerts?alert={alert}"]:
        for scheme, width in (("dark", 1440), ("light", 390), ("dark", 390)):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await page.set_viewport_size({"width": width, "height": 900})
            if (scheme, width) != ("dark", 390):
                await _show(page, f"{address}{path}")
            if rules := await violations(page):
                broken[path, scheme, width] = rules
    assert broken == {}


async def test_every_empty_page_can_be_read_by_everybody(address: str, page: Page) -> None:
    broken = {}
    for path in _PAGES:
        await _show(page, f"{address}{path}")
        if rules := await violations(page):
            broken[path] = rules
    assert broken == {}
