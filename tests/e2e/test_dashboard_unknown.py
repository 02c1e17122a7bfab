"""Unknown devices on the page of devices, in a real browser: previewed, adopted, dismissed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from services.core.facility.discovery.observing import observe, observe_native
from services.core.store.candidates import notes
from services.core.store.candidates.notes import CandidateMessage
from services.ingest.discovery.notebook import Notebook
from tests.e2e.fitting import check_fit
from tests.e2e.test_dashboard import address, browser, connection, page
from tests.integration.aggregator.plant import apply_text

__all__ = ["address", "browser", "connection", "page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - {id: meter, channels: [{id: import, quantity: energy, unit: kWh, kind: counter}]}
factors:
  - {id: works, unit: kWh, co2_kg: 0.2, citation: contract}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: works}
"""


def hear(
    connection: psycopg.Connection[Any],
    topic: str,
    payload: bytes,
    names: tuple[str, str] | None = None,
) -> None:
    """Note a message as ingest does; ``names``: facility and device that a native topic is of."""
    now = datetime.now(UTC)
    notebook = Notebook(limit=10)
    observed = (
        observe(topic, payload, now.timestamp())
        if names is None
        else observe_native(*names, payload, now.timestamp())
    )
    assert observed is not None
    message = CandidateMessage(topic=topic, payload=payload, received_at=now)
    notebook.take(observed, topic, now, message=message, names=names)
    (unsaved,) = notebook.unsaved()
    notes.note(connection, unsaved.note, list(unsaved.waiting))


async def test_an_unknown_device_is_adopted_and_another_dismissed(
    address: str, page: Page, connection: psycopg.Connection[Any], database_url: str
) -> None:
    apply_text(database_url, FILE)
    hear(connection, "zigbee2mqtt/Fridge", b'{"energy": 12.5, "power": 60, "linkquality": 9}')
    hear(connection, "hall/meter", b'{"energy": 5}')
    more = b'{"values": {"power": {"v": 3, "u": "kW"}}}'
    hear(connection, "emissions/linz/meter/readings", more, ("linz", "meter"))
    await page.clock.install()
    await page.goto(f"{address}/devices")
    rows = page.locator("#unknown-rows tbody tr")
    await expect(rows).to_have_count(3)
    fridge = rows.filter(has_text="Fridge")
    await expect(fridge).to_contain_text("energy = 12.5 kWh, power = 60 W")
    await expect(page.locator("#unknown-summary")).to_contain_text("3 devices send")
    # a device that is there, and says more than its file names, is not called unknown
    await expect(rows.filter(has_text="power = 3 kW")).to_contain_text("registered, with channels")
    await expect(fridge).not_to_contain_text("registered")
    for label in ("hall/meter", "meter"):
        await page.get_by_role("button", name=f"Dismiss {label}", exact=True).click()
    # the answer to the first may come after that to the second
    await expect(rows).to_have_count(1)
    # the list is read again each ten seconds, and whoever goes by keyboard stays where they were
    adopt = page.get_by_role("button", name="Adopt Fridge")
    drawn = await adopt.element_handle()
    await adopt.focus()
    await page.clock.fast_forward(10_000)
    await page.wait_for_function("(button) => !button.isConnected", arg=drawn)
    await expect(adopt).to_be_focused()
    dialog = page.get_by_role("dialog")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(adopt).to_be_focused()
    await page.keyboard.press("Enter")
    await dialog.get_by_label("Id of the device").fill("kitchen-fridge")
    await expect(dialog.get_by_label("Take energy")).to_be_checked()
    await expect(dialog.get_by_label("Take linkquality")).not_to_be_checked()
    await dialog.get_by_label("Take linkquality").check()
    await dialog.get_by_role("button", name="Preview").click()
    await expect(dialog.get_by_role("alert")).to_have_text("State the unit of linkquality.")
    await check_fit(page, "adopt-refused")
    await dialog.get_by_label("Take linkquality").uncheck()
    await dialog.get_by_label("Its electricity").select_option("works")
    await dialog.get_by_role("button", name="Preview").click()
    await expect(dialog.locator("pre")).to_contain_text("kitchen-fridge")
    await expect(dialog).to_contain_text("1 stored message would be replayed.")
    await check_fit(page, "adopt")
    await dialog.get_by_role("button", name="Adopt", exact=True).click()
    await expect(page.locator("#notice")).to_have_text(
        "kitchen-fridge is a device of linz; 1 message is replayed."
    )
    await expect(rows).to_have_count(0)
    await expect(page.locator("#device-rows")).to_contain_text("kitchen-fridge")
    (source,) = connection.execute(
        "SELECT spec ->> 'factor' FROM source WHERE slug = 'kitchen-fridge'"
    ).fetchone() or ("",)
    assert source == "works"
