"""What pages say of what they could not read: that it is not known, and nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import psycopg
import pytest
from playwright.async_api import Browser, Page, Route, expect
from pydantic import SecretStr

from deploy.site.pictures import CHROMIUM
from services.api.app import create_app
from services.api.languages.catalogues import TRANSLATED, Texts
from services.api.routes.dashboard import _PAGES
from services.core.runtime.settings import Settings
from tests.e2e.asking import asking
from tests.e2e.fitting import check_fit
from tests.e2e.pages import opened_page
from tests.e2e.test_dashboard import address, browser, connection, emit, wait_for
from tests.integration.api.plant import found
from tests.integration.api.server import serving
from tests.integration.api.test_facility_files import TEXT
from tests.services import free_port

__all__ = ["address", "browser", "connection"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

UNREAD: Final = "not known yet"

#: What somebody sees of a page, without what it offers to choose and what it says of the failure.
_SEEN = """
() => {
  const seen = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const isOffered = element.closest("#notice, #state, select, [hidden]");
    if (isOffered || !element.checkVisibility({ visibilityProperty: true })) continue;
    const text = walker.currentNode.textContent.trim();
    if (text) seen.push(text);
  }
  return seen;
}
"""
#: Words of a page that knows that there is nothing, or that all of it is known.
_CLAIMS: Final = (
    "no data", "none", "none now; the last 24 hours", "no alert stands", "no alert matches.",
    "all facilities known", "nothing waits", "none yet", "nothing is watched.", "none is used.",
    "in force", "nothing was done that matches.",
)  # fmt: skip
#: How many parts of a page that can be seen before anything was read say so.
_PARTS: Final = {"/": 2, "/facilities": 5, "/history": 1, "/wall": 1, "/alerts": 1, "/devices": 4}


def claims(texts: list[str]) -> list[str]:
    """Return those of a page's texts that claim to know that there is nothing."""
    return [text for text in texts if text.lower() in _CLAIMS or re.search(r"\b0\b", text)]


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that may log errors."""
    async with opened_page(browser, viewport={"width": 1440, "height": 900}) as opened:
        yield opened


@pytest.fixture
async def away() -> AsyncIterator[str]:
    """An API whose database was away from the beginning."""
    url = f"postgresql://tonne_api@127.0.0.1:{free_port()}/tonne"
    settings = Settings(database_url=SecretStr(url), api_auth="off")
    async with serving(create_app(settings)) as served:
        yield served


async def test_a_page_that_could_read_nothing_claims_nothing(away: str, page: Page) -> None:
    wrong: dict[str, Any] = {}
    for path in _PAGES.keys() - {"/login"}:
        await page.goto(f"{away}{path}?facility=linz")
        failure = page.locator("#state-text" if path == "/wall" else "#notice")
        await expect(failure).to_contain_text("The database does not answer.")
        seen = await page.evaluate(_SEEN)
        if claims(seen) or seen.count(UNREAD) != _PARTS.get(path, 0):
            wrong[path] = seen
        if path in _PARTS:
            await check_fit(page, f"unread-{path.strip('/') or 'live'}")
    await page.goto("about:blank")
    assert not wrong, wrong


@pytest.mark.parametrize("language", TRANSLATED)
async def test_it_says_so_in_its_language(away: str, page: Page, language: str) -> None:
    text = Texts(language).gettext(UNREAD)
    assert text != UNREAD
    for path in ("/", "/facilities"):
        await page.goto(f"{away}{path}?language={language}")
        await expect(page.locator("main").get_by_text(text, exact=True).first).to_be_visible()
        await check_fit(page, f"unread-{path.strip('/') or 'live'}-{language}")
    await page.goto("about:blank")


async def test_what_is_beside_the_figures_is_read_when_the_api_is_back(
    address: str, page: Page, connection: Connection
) -> None:
    emit(connection, found(connection, "linz"), 20.0)
    calls = re.compile(r"/v1/(thresholds|pathway)\?")
    await page.clock.install()
    await page.route(calls, _refuse)
    await page.goto(f"{address}/facilities")
    cells = page.locator("#rows tr td").get_by_text(UNREAD, exact=True)
    # whether it has a budget, and a path, is not known
    await expect(cells).to_have_count(2)
    await page.unroute(calls)
    await page.clock.fast_forward(11_000)
    await expect(cells).to_have_count(0)


async def _refuse(route: Route) -> None:
    problem = {"type": "urn:tonne:problem:database-away", "title": "Away", "status": 503}
    await route.fulfill(status=503, content_type="application/problem+json", json=problem)


#: Pages where one chooses a facility, what is drawn of it, and what says that nothing is known.
_CHOICES: Final = {
    "/": ("#sources", "#rate"),
    "/history": ("#said", "#mass"),
    "/devices": ("#device-rows", "#devices-summary"),
    "/alerts": ("#open-list", "#open-summary"),
    "/configuration": ("#text", "#file-summary"),
    "/import": ("#import-rows", "#imports-summary"),
}


@pytest.mark.parametrize("path", _CHOICES)
async def test_of_a_choice_that_cannot_be_read_nothing_is_shown(
    address: str, page: Page, path: str
) -> None:
    async with asking(address) as client:
        for slug in ("graz", "linz"):
            text = TEXT.replace("id: works,", f"id: {slug},")
            assert (await client.put(f"/v1/facilities/{slug}", content=text)).is_success
    # nobody serves files here
    await page.route(re.compile("/imports"), lambda route: route.fulfill(json=[]))
    drawn, says = _CHOICES[path]
    await page.goto(f"{address}{path}?facility=graz")
    await expect(page.locator(says)).not_to_have_text(UNREAD)
    await expect(page.locator(drawn)).to_have_css("visibility", "visible")
    await page.route(re.compile("/v1/"), _refuse)
    await page.select_option("#facility", "linz")
    await wait_for(page, says, UNREAD)
    await expect(page.locator(drawn)).not_to_be_visible()
    assert claims(await page.evaluate(_SEEN)) == []
    await page.goto("about:blank")


@pytest.mark.parametrize(
    ("path", "filtered"), {"/audit": "[name=by]", "/alerts": "[name=threshold]"}.items()
)
async def test_a_filter_that_could_not_be_asked_matches_nothing_yet(
    address: str, page: Page, connection: Connection, path: str, filtered: str
) -> None:
    found(connection, "linz")
    await page.goto(f"{address}{path}")
    await page.locator(f"#filters {filtered}").fill("nobody")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("#empty")).to_be_visible()
    await page.route(re.compile("/v1/"), _refuse)
    await page.locator(f"#filters {filtered}").fill("somebody")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("#notice")).to_be_visible()
    await expect(page.locator("#empty")).to_be_hidden()
    await page.goto("about:blank")
