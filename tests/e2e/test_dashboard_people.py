"""People sign in, go on where they were, and see who did what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from playwright.async_api import Page, expect
from pydantic import SecretStr

from deploy.site.pictures import CHROMIUM
from services.api.app import create_app
from services.core.runtime.settings import Settings
from tests.e2e.fitting import check_fit
from tests.e2e.test_dashboard import browser, connection, page, wait_for
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.oidc_provider import providing
from tests.integration.api.server import serving
from tests.integration.api.test_oidc import with_provider
from tests.integration.api.test_people import FILE, PASSWORD, user
from tests.services import as_login

__all__ = ["browser", "connection", "page"]

Connection = psycopg.Connection[Any]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture
async def guarded(database_url: str) -> AsyncIterator[str]:
    async with serving(
        create_app(Settings(database_url=SecretStr(as_login(database_url, "tonne_api"))))
    ) as address:
        yield address


async def _sign_in(page: Page, name: str, password: str) -> None:
    await page.fill("#name", name)
    await page.fill("#password", password)
    await page.keyboard.press("Enter")


async def test_one_signs_in_is_told_why_not_and_goes_on_where_one_was(
    guarded: str, page: Page, connection: Connection, database_url: str
) -> None:
    apply_text(database_url, FILE.format(id="linz"))
    user(database_url, "anna", "--role", "viewer", "--full-name", "Anna Berger")
    await page.goto(f"{guarded}/facilities?search=linz", wait_until="commit")
    await expect(page).to_have_url(f"{guarded}/login?next=%2Ffacilities%3Fsearch%3Dlinz")
    await expect(page.locator("#name")).to_be_focused()
    await _sign_in(page, "anna", "wrong")
    await wait_for(page, "#notice", "The name or the password is wrong.")
    await check_fit(page, "login")
    await _sign_in(page, "anna", PASSWORD)
    await expect(page).to_have_url(f"{guarded}/facilities?search=linz")
    await wait_for(page, ".account", "Anna Berger")
    await expect(page.locator("#rows .name")).to_have_text(["linz"])

    await page.goto("about:blank")
    connection.execute("UPDATE person_session SET expires_at = now()")
    await page.goto(f"{guarded}/facilities?search=linz", wait_until="commit")
    await wait_for(page, "#notice", "Your session ended; sign in again.")
    await _sign_in(page, "anna", PASSWORD)
    await expect(page).to_have_url(f"{guarded}/facilities?search=linz")
    await page.click(".account")
    await wait_for(page, "#allowed", "May read in all facilities.")
    await check_fit(page, "account")
    await page.click("#sign-out")
    await expect(page.locator("#name")).to_be_focused()
    await page.goto(f"{guarded}/login?next=https://elsewhere.example/")
    await _sign_in(page, "anna", PASSWORD)
    # the live page writes into the address what it shows; the host stays this one
    await expect(page).to_have_url(f"{guarded}/?facility=linz")


async def test_one_signs_in_at_the_provider_and_goes_on_where_one_was(
    page: Page, database_url: str
) -> None:
    apply_text(database_url, FILE.format(id="linz"))
    async with (
        providing() as provider,
        serving(create_app(with_provider(database_url, provider.issuer))) as address,
    ):
        await page.goto(f"{address}/facilities?search=linz", wait_until="commit")
        await wait_for(page, "#to-provider", "Sign in with your organisation")
        await check_fit(page, "provider")
        await page.click("#to-provider")
        await page.click("#agree")
        await expect(page).to_have_url(f"{address}/facilities?search=linz")
        await wait_for(page, ".account", "Anna Berger")
        await page.click(".account")
        await wait_for(
            page, "#allowed", "May operate, read, send readings in linz. May read in graz, linz."
        )
        await expect(page.locator("#change")).to_be_hidden()
        await page.click("#sign-out")
        await wait_for(
            page,
            "#notice",
            "You are signed out of tonne. At your organisation you may still be signed in.",
        )
        provider.person["groups"] = ["kitchen"]
        await page.click("#to-provider")
        await page.click("#agree")
        await wait_for(
            page,
            "#notice",
            "None of your groups has a role in tonne; ask an administrator to put you in one that"
            " has.",
        )


#: Upper ends and heights of the fields of a form.
BOXES = """
() => [...document.querySelectorAll(".filters :is(input, select, button)")].map((field) => {
  const { top, height } = field.getBoundingClientRect();
  return [top, height];
})
"""


async def test_an_admin_reads_who_did_what(
    guarded: str, page: Page, connection: Connection, database_url: str
) -> None:
    user(database_url, "chief", "--role", "admin")
    for i in range(105):
        connection.execute(
            "INSERT INTO audit_entry (made_by, action, facility, subject, after) VALUES"
            " ('key works', 'facility.apply', 'linz', 'linz', %s)",
            (f'{{"changes": ["~ source {i}"], "difference": "-a\\n+b"}}',),
        )
    await page.goto(f"{guarded}/audit?action=facility.apply", wait_until="commit")
    await _sign_in(page, "chief", PASSWORD)
    rows = page.locator("#rows tr")
    await expect(rows).to_have_count(100)
    await rows.first.locator("summary").click()
    await expect(rows.first.locator("pre")).to_contain_text("~ source 104")
    await expect(rows.first.locator("pre")).to_contain_text("-a\n+b")
    await check_fit(page, "audit")
    await page.click("#older")
    await expect(rows).to_have_count(105)
    await expect(page.locator("#older")).to_be_hidden()
    await expect(rows.first).to_contain_text("applied a facility file")
    await page.select_option("[name=action]", "session.begin")
    await page.click("#filters button")
    await expect(rows).to_have_count(1)
    await expect(rows.locator("td").first).to_have_text("person chief")
    # a time is told as on other pages, in the reader's zone by its name, with the instant behind it
    (made_at,) = connection.execute(
        "SELECT made_at FROM audit_entry WHERE action = 'session.begin'"
    ).fetchone() or (None,)
    told = rows.locator("time")
    zone = await page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    local = made_at.astimezone(ZoneInfo(zone))
    await expect(told).to_have_text(f"{local:%a, {local.day} %b %Y, %H:%M:%S}")
    instant = datetime.fromisoformat(await told.get_attribute("title") or "")
    assert abs(instant - made_at) < timedelta(milliseconds=1)
    await expect(page.locator("#zone")).to_contain_text(f"Times are of {zone};")
    # fields of a row are of one height, and stand on one line
    boxes = await page.evaluate(BOXES)
    assert {(round(top), round(height)) for top, height in boxes} == {
        (round(boxes[0][0]), round(boxes[0][1]))
    }
