"""Every page in German and Chinese: nothing stays English, and nothing is wider than a phone."""

from __future__ import annotations

import os
import re
from typing import Any

import httpx
import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from services.api.languages.catalogues import TRANSLATED, Texts, catalogue
from tests.e2e.test_dashboard import address, browser, connection, page, wait_for
from tests.e2e.test_dashboard_widths import LONG, TOO_WIDE, plant_everything

__all__ = ["address", "browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

#: Pages, and what is there once they have shown what they read.
_PAGES = {
    "/": "#chart .plot-container",
    "/facilities": "#all tbody tr",
    "/history": "#chart .plot-container",
    "/explain": "main .card",
    "/alerts": "#open-list li",
    "/devices": "#devices tbody tr",
    "/pathway": "main .card",
    "/configuration": "#version-rows tr",
    "/audit": "#log tbody tr",
    "/login": "form:not([hidden])",
    "/wall": "#windows li",
}

#: What a page says, and what a screen reader says of it; not what people or devices named.
_SAID = """
() => {
  const said = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    if (!parent.closest("script, style, textarea, code, pre, [lang]:not(html)")) said.add(walk.currentNode.textContent.trim());
  }
  for (const e of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    for (const name of ["aria-label", "title", "placeholder"]) said.add((e.getAttribute(name) ?? "").trim());
  }
  return [...said];
}
"""  # noqa: E501

#: Three English words: no unit, id or abbreviation looks so.
_ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")


def _english(said: list[str], language: str) -> list[str]:
    """Return what is in English though it has a translation, or though it is a sentence."""
    keys = {str(message.id) for message in catalogue(language) if message.id != message.string}
    texts = [text for text in said if text and text in keys]
    if language == "zh":
        texts += [text for text in said if _ENGLISH.search(text) and LONG not in text]
    return texts


@pytest.mark.parametrize("language", TRANSLATED)
async def test_every_page_speaks_the_language(
    address: str, page: Page, connection: Connection, language: str
) -> None:
    await plant_everything(address, connection)
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(f"{address}/login?language={language}")
    for path, drawn in _PAGES.items():
        await page.goto(f"{address}{path}?facility=everything")
        await page.wait_for_selector(drawn)
        assert await page.evaluate("document.documentElement.lang") == language
        if directory := os.environ.get("SCREENSHOTS"):
            name = path.strip("/") or "live"
            await page.screenshot(path=f"{directory}/{language}-{name}.png", full_page=True)
        assert _english(await page.evaluate(_SAID), language) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth") == 390, path
        assert await page.evaluate(TOO_WIDE) == [], path


async def test_language_and_unit_are_chosen_on_a_page(
    address: str, page: Page, connection: Connection
) -> None:
    await plant_everything(address, connection)
    await page.goto(f"{address}/?facility=everything")
    await wait_for(page, "#state-text", "live")
    async with httpx.AsyncClient(base_url=address) as client:
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

    await page.goto(f"{address}/?facility=everything")
    await page.select_option("#choices [name=masses]", "us")
    await wait_for(page, "#rate-unit", "lb CO₂ / h")
    await wait_for(page, "#rate", f"{rate / 0.45359237:,.0f}".replace(",", "."))


async def test_a_browser_is_answered_in_its_language(address: str) -> None:
    async with httpx.AsyncClient(base_url=address) as client:
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
