"""Every page, full and empty, light and dark, at a desk and on a phone: axe-core finds nothing.

What opens on a page is looked at where tests open it, by ``check_fit``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page

from deploy.site.pictures import CHROMIUM
from services.api.languages.catalogues import Texts
from services.api.routes.dashboard import _PAGES
from tests.e2e.answered import open_answered
from tests.e2e.axe import violations
from tests.e2e.fitting import show_at
from tests.e2e.test_dashboard import address, browser, connection, page
from tests.e2e.test_dashboard_widths import plant_everything

__all__ = ["address", "browser", "connection", "page"]

pytestmark = [
    pytest.mark.browser,
    # all pages, several times each
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

#: What a page shows on demand is read too.
_OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"


async def _show(page: Page, address: str, texts: Callable[[str], str] = str) -> None:
    await open_answered(page, address, texts)
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
            await show_at(page, width)
            if (scheme, width) != ("dark", 390):
                await _show(page, f"{address}{path}")
            if rules := await violations(page):
                broken[path, scheme, width] = rules
    assert broken == {}


#: What the Tab key reaches, and why nobody who goes by keyboard could work with it; null: the end.
#: There the browser itself is reached, which mostly stays so until the next key; a busy one goes on
#: to the page's first part at once. From anywhere but the last part that is a fault.
_REACHED = """
() => {
  const reached = document.activeElement;
  if (reached === null || reached === document.body) return null;
  const canBeReached = (one) => one.tabIndex >= 0 && !one.disabled && one.type !== "radio"
    && one.checkVisibility({ visibilityProperty: true });
  const wasLast = () => ![...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex]")].some((one) =>
    window.reachedBefore.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING
    && canBeReached(one));
  window.reachedFirst ??= reached;
  if (reached === window.reachedFirst && window.reachedBefore && wasLast()) return null;
  const box = reached.getBoundingClientRect();
  const rings = [reached, reached.parentElement].map((one) => getComputedStyle(one));
  // the parts of a time have a ring of the browser's own
  const isSeen = reached.type === "datetime-local" || rings.some(({ outlineStyle, outlineWidth }) =>
    outlineStyle !== "none" && parseFloat(outlineWidth) >= 2);
  const follows = !window.reachedBefore || window.reachedBefore === reached
    || window.reachedBefore.compareDocumentPosition(reached) & Node.DOCUMENT_POSITION_FOLLOWING;
  window.reachedBefore = reached;
  return [
    ...(isSeen ? [] : ["nothing shows that it is reached"]),
    ...(follows ? [] : ["it stands before what was reached before it"]),
    ...(box.width && box.height ? [] : ["it has no size"]),
    ...(box.bottom > 0 && box.top < innerHeight ? [] : ["it is off the screen"]),
    ...(reached.closest("[aria-hidden=true]") ? ["nobody hears of it"] : []),
  ].map((why) => `${reached.outerHTML.slice(0, 120)}: ${why}`);
}
"""
#: More parts than any page of the test has.
_MOST_PARTS = 150


async def test_every_page_is_gone_through_by_keyboard(
    address: str, page: Page, connection: psycopg.Connection[Any]
) -> None:
    await plant_everything(address, connection)
    await page.set_viewport_size({"width": 1440, "height": 900})
    # what a page reads again by itself would replace what was reached before
    await page.add_init_script("window.setInterval = () => 0")
    (alert,) = connection.execute("SELECT id FROM alert").fetchone() or (0,)
    wrong = {}
    for path in [*(f"{path}?facility=everything" for path in _PAGES), f"/alerts?alert={alert}"]:
        await open_answered(page, f"{address}{path}")
        parts = 0
        for parts in range(_MOST_PARTS):
            await page.keyboard.press("Tab")
            reached = await page.evaluate(_REACHED)
            if reached is None:
                break
            if reached:
                wrong[path, parts] = reached
        assert path.startswith("/wall") or 0 < parts < _MOST_PARTS - 1, path
    assert wrong == {}


async def test_every_empty_page_can_be_read_by_everybody(address: str, page: Page) -> None:
    broken = {}
    for language, scheme, width in (
        ("en", "light", 1440),
        ("de", "dark", 390),
        ("zh", "dark", 1440),
    ):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await page.set_viewport_size({"width": width, "height": 900})
        texts = Texts(language).gettext
        for path in _PAGES:
            await _show(page, f"{address}{path}?language={language}", texts)
            if rules := await violations(page):
                broken[path, language] = rules
    assert broken == {}
