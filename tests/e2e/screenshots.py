"""Pictures of pages for people to look at: ``make screens`` has them taken."""

from __future__ import annotations

import os
from typing import Final

from playwright.async_api import Page

#: A phone, a desk, a control room's wall.
WIDTHS: Final = (390, 1440, 3840)
_HEIGHT: Final = 1080


async def photograph(page: Page, name: str, *widths: int) -> None:
    """Write pictures into the directory ``SCREENSHOTS``, if it is set: at widths, or as it is."""
    directory = os.environ.get("SCREENSHOTS")
    if not directory:
        return
    before = page.viewport_size
    for width in widths:
        await page.set_viewport_size({"width": width, "height": _HEIGHT})
        await page.screenshot(path=f"{directory}/{name}-{width}.png", full_page=True)
    if widths and before is not None:
        await page.set_viewport_size(before)
    if not widths:
        await page.screenshot(path=f"{directory}/{name}.png", full_page=True)
