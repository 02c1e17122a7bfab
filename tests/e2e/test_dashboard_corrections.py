"""A reading is corrected on the page of its hour, in a real browser, through ingest's own door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from pydantic import SecretStr

from deploy.site.pictures import CHROMIUM
from services.api.app import create_app
from services.core.runtime.settings import Settings
from services.core.runtime.uploads import UploadAsk
from services.ingest.errands import Errands
from services.ingest.prepare import TimeBounds
from services.ingest.sources.http import listener
from services.ingest.sources.http.listener import HttpDoor
from services.ingest.uploads.desk import Desk
from tests.e2e.fitting import check_fit
from tests.e2e.test_dashboard import browser, page
from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.integration.api.server import serving
from tests.patience import until
from tests.services import as_login, is_listening, server_directory

__all__ = ["browser", "page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

_BOUNDS = TimeBounds(oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=5))


@pytest.fixture
def socket() -> Iterator[Path]:
    """Where the door of ingest is."""
    with server_directory() as folder:
        yield folder / "door.sock"


@pytest.fixture
def door(database_url: str, socket: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpDoor]:
    """The door of an ingest that hears no broker."""
    monkeypatch.setattr(listener, "_SILENT_S", 1e9)
    login = as_login(database_url, "tonne_ingest")
    settings = Settings(database_url=SecretStr(login), uploads_dir=socket.parent / "uploads")
    uploads = Desk(settings, _BOUNDS)
    errands = Errands(login, _BOUNDS, uploads=uploads)
    opened = HttpDoor(socket, max_bytes=16 << 20, nudge=lambda: None, errands=errands)
    uploads.start()
    opened.start()
    until(lambda: is_listening(socket), "the door is open")
    look = UploadAsk(act="list", facility="works")
    until(lambda: uploads(look, b"").outcome == "taken", "the folder of uploads is open")
    yield opened
    opened.close()
    uploads.close()


@pytest.fixture
async def address(database_url: str, socket: Path, door: HttpDoor) -> AsyncIterator[str]:  # noqa: ARG001 - is open
    """An API beside the door."""
    settings = Settings(
        database_url=SecretStr(as_login(database_url, "tonne_api")),
        api_auth="off",
        readings_socket=socket,
    )
    async with serving(create_app(settings)) as url:
        yield url


async def test_a_reading_is_corrected_removed_and_added(
    address: str, page: Page, database_url: str
) -> None:
    plant = Plant(database_url)
    begins = instant("2026-11-20T10:00:00Z")
    for minute in range(0, 61, 15):
        at = begins + timedelta(minutes=minute)
        plant.store(
            [Reading("meter.energy", at, 1000.0 + minute), Reading("meter.power", at, 60.0)]
        )
    plant.tick(instant("2026-11-20T11:30:00Z"))
    (source,) = plant.connection.execute(
        "SELECT s.slug FROM source s JOIN source_input i ON i.source_id = s.id"
        " JOIN channel c ON c.id = i.channel_id WHERE c.slug = 'power' LIMIT 1"
    ).fetchone() or ("",)
    await page.goto(f"{address}/explain?facility=works&source={source}&hour=2026-11-20T10:00:00Z")
    await page.get_by_text("Readings of this hour").first.click()
    rows = page.locator(".input details[open] tbody tr")
    await expect(rows).to_have_count(4)
    await page.get_by_role("button", name="Correct the reading of").nth(1).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("What is right")).to_have_value("60")
    await dialog.get_by_label("What is right").fill("75.5")
    await dialog.get_by_label("Reason").fill("the photo shows 75.5")
    await check_fit(page, "correction")
    await dialog.get_by_role("button", name="Correct", exact=True).click()
    await expect(dialog).to_be_hidden()
    await expect(rows.nth(1)).to_contain_text("75.5")
    await expect(rows.nth(1)).to_contain_text("was 60 (good), by someone without a key: the photo")
    # somebody else was faster
    await page.get_by_role("button", name="Correct the reading of").nth(2).click()
    plant.connection.execute("UPDATE reading SET value = 61 WHERE value = 60")
    await dialog.get_by_text("There is no value").click()
    await dialog.get_by_label("Reason").fill("the clamp was off")
    await dialog.get_by_role("button", name="Correct", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_contain_text("it is 61.0 kW by now")
    await dialog.get_by_role("button", name="Do not").click()
    await page.get_by_role("button", name="Add a reading").click()
    await dialog.get_by_label("Time").fill("2026-11-20T11:40:00")
    await dialog.get_by_label("What is right").fill("7")
    await dialog.get_by_label("Reason").fill("told by telephone")
    await dialog.get_by_role("button", name="Correct", exact=True).click()
    await expect(rows).to_have_count(5)
    await expect(rows.nth(3)).to_contain_text("added by someone without a key")
    plant.close()
