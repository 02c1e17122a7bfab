"""The screen over two cells: it shows facilities of both, and says which one is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.site.pictures import CHROMIUM
from services.api.app import create_app
from tests.command import tonne
from tests.e2e.pages import opened_page
from tests.integration.api.cells_plant import Databases, let_in, settings, silence
from tests.integration.api.server import serving_in_thread
from tests.integration.api.test_cells_answers import databases
from tests.integration.api.test_cells_organisations import GROUP
from tests.services import Postgres

__all__ = ["databases"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture
def address(databases: Databases) -> Iterator[str]:
    """An API over both cells, in a thread of its own."""
    app = create_app(settings(databases.home, databases.b), health_holds_s=0)
    with serving_in_thread(app) as url:
        yield url


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    async with opened_page(chromium) as opened:
        yield opened


async def test_pages_show_facilities_of_both_cells_and_name_what_is_missing(
    address: str,
    page: Page,
    databases: Databases,
    postgres_cluster: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{address}/facilities")
    for name in ("linz works", "graz works"):
        await expect(page.locator("main")).to_contain_text(name)
    await page.goto(f"{address}/?facility=graz")
    await expect(page.locator("main")).to_contain_text("stack-1")
    await page.goto(f"{address}/alerts")
    for facility in ("linz", "graz"):
        await expect(page.locator("main")).to_contain_text(facility)
    # an organisation of both, which home alone knows
    file = tmp_path / "group.yaml"
    file.write_text(GROUP, encoding="utf-8")
    monkeypatch.setenv("TONNE_CELLS", f"b={databases.b}")
    assert tonne(databases.home, "apply", file).code == 0
    await page.goto(f"{address}/pathway?organisation=group")
    await expect(page.locator("main")).to_contain_text("graz linz")
    await expect(page.locator("main")).to_contain_text("Scope 2")
    silence(postgres_cluster, databases.b)
    await page.reload()
    await expect(page.locator("#notice")).to_contain_text("cell b does not answer")
    await page.goto(f"{address}/facilities")
    notice = page.locator("#notice")
    await expect(notice).to_have_text("Missing, because their database does not answer: graz")
    await expect(page.locator("main")).to_contain_text("linz works")
    let_in(postgres_cluster, databases.b)
    await page.reload()
    await expect(page.locator("main")).to_contain_text("graz works")
    await expect(notice).to_be_hidden()
    assert errors == []
