"""Every page in each language, at each width: chosen by the reader or the browser."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from services.api.languages.catalogues import TRANSLATED, Texts
from services.api.languages.extraction import keys
from services.api.routes.dashboard import _PAGES
from tests.e2e.answered import open_answered
from tests.e2e.asking import asking
from tests.e2e.axe import violations
from tests.e2e.fitting import BROKEN, check_width, show_at
from tests.e2e.test_dashboard import address, browser, connection, page, wait_for
from tests.e2e.test_dashboard_widths import WIDTHS, plant_everything

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    # all pages in all languages
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


async def test_language_and_unit_are_chosen_on_a_page(
    address: str, page: Page, connection: Connection
) -> None:
    await plant_everything(address, connection)
    await page.goto(f"{address}/?facility=everything")
    await wait_for(page, "#state-text", "live")
    async with asking(address) as client:
        rate = (await client.get("/v1/live?facility=everything")).json()["rate_kg_h"]
    await wait_for(page, "#rate", f"{rate:,.0f}")
    await wait_for(page, "#rate-unit", "kg CO₂ / h")

    german = Texts("de").gettext
    await page.select_option("#choices [name=language]", "de")
    await wait_for(page, "#now-title", german("Emitting now"))
    await wait_for(page, "#rate", f"{rate:,.0f}".replace(",", "."))
    # it is remembered, and addresses that are passed on do not carry it
    assert "language" not in page.url
    await page.goto(f"{address}/facilities")
    await expect(page.locator("h1")).to_have_text(german("All facilities"))

    # a percentage and a time are written as the language writes them
    await page.goto(f"{address}/?facility=everything&language=zh")
    await expect(page.locator(".known").first).to_have_text(re.compile(r"已知 .*[0-9]%$"))
    await page.goto(f"{address}/history?facility=everything&range=24h")
    await expect(page.locator("#whole-title")).to_have_text(re.compile(r"日周. \d\d:\d\d "))

    await page.goto(f"{address}/?facility=everything&language=de")
    await page.select_option("#choices [name=masses]", "us")
    await wait_for(page, "#rate-unit", "lb CO₂ / h")
    await wait_for(page, "#rate", f"{rate / 0.45359237:,.0f}".replace(",", "."))


async def test_a_browser_is_answered_in_its_language(address: str) -> None:
    async with asking(address) as client:
        for accepted, language in {
            "zh-CN,zh;q=0.9,en;q=0.8": "zh",
            "zh-Hans-CN": "zh",
            "fr,de-AT;q=0.5,en;q=0.4": "de",
            "fr": "en",
            "de;q=0,en": "en",
            "": "en",
            "de;q=x, ;q=1,*": "en",
        }.items():
            answer = await client.get("/", headers={"Accept-Language": accepted})
            assert f'<html lang="{language}">' in answer.text, accepted
            assert "Accept-Language" in answer.headers["vary"]
            assert "set-cookie" not in answer.headers
        chosen = await client.get("/?language=zh", headers={"Accept-Language": "de"})
        assert '<html lang="zh">' in chosen.text
        assert chosen.headers["set-cookie"].startswith("tonne_language=zh;")
        # the cookie goes before the browser's preference; an unknown language chooses nothing
        kept = await client.get("/?language=xx", headers={"Accept-Language": "de"})
        assert '<html lang="zh">' in kept.text
        assert "set-cookie" not in kept.headers


#: What is seen of a page, without what comes from files and from the API as it is.
SEEN = """
() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (element.closest("script, pre, code, textarea, .tree, #choices")) continue;
    texts.push(walker.currentNode.textContent.trim());
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    texts.push(element.ariaLabel, element.title, element.placeholder);
  }
  return texts.filter(Boolean);
}
"""


async def test_every_page_is_in_each_language_and_fits_every_screen(
    address: str, page: Page, connection: Connection
) -> None:
    await plant_everything(address, connection)
    for language in ("en", *TRANSLATED):
        texts = Texts(language).gettext
        english = {key for key in keys() if isinstance(key, str) and texts(key) != key}
        await page.goto(f"{address}/audit?language={language}")
        for path in _PAGES:
            await page.set_viewport_size({"width": WIDTHS[0], "height": 844})
            await open_answered(page, f"{address}{path}?facility=everything", texts)
            seen = set(await page.evaluate(SEEN))
            assert english & seen == set(), (path, language)
            # what pages say to those who hear them is in their language, too
            await show_at(page, 1440, 1080)
            assert await violations(page) == [], (path, language)
            for width in WIDTHS:
                name = f"{path.strip('/') or 'live'}-{language}"
                await check_width(page, width, 1080, name=name)
                assert await page.evaluate(BROKEN) == [], (path, language, width)
