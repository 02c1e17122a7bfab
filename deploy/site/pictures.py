"""Take README's pictures of a running stack: ``python -m deploy.site.pictures [ADDRESS]``.

It needs `make run` with its demo and a Chromium. For the picture of an alert it states a threshold
over the API that hall 1 of the demo passes at once, and deletes it afterwards.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Page, async_playwright

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"

#: The browser for pages; the shell draws no window, which takes more processor than the page.
CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))),
    None,
)

#: A picture that is larger belongs to no README.
MAX_BYTES: Final = 200_000

FACILITY: Final = "aschach"
SOURCE: Final = "grid-hall-1"
_THRESHOLD: Final = {
    "facility": FACILITY,
    "source": SOURCE,
    "measure": "rate",
    "above": 10,
    "severity": "critical",
    "message": "hall 1 uses more than agreed",
}
#: An alert fires within a minute of data time, and a total is closed a quarter of an hour late.
_PATIENCE_MS: Final = 180_000

#: What the day's earlier pictures left behind.
_WITHOUT: Final = "selector => document.querySelectorAll(selector).forEach((e) => e.remove())"

_STYLE: Final = """
body { margin: 0; background: #2b302f; color: #f0f4f2; font: 600 12px/1.18 monospace; }
pre { margin: 0; padding: 8px 6px; width: 680px; box-sizing: border-box; white-space: pre-wrap; }
.text { color: #98e0a0; } .figure { color: #e88b7d; } .word { color: #e3c99a; }
"""
_TOKEN: Final = re.compile(
    r'(?P<key>"[^"]*":)|(?P<text>"[^"]*")|(?P<word>null|true|false)|(?P<figure>-?[0-9][0-9.e+-]*)'
)


async def take_alert(page: Page, address: str, path: Path) -> None:
    """Photograph the card of the alert that fires."""
    await page.set_viewport_size({"width": 1120, "height": 900})
    await page.goto(f"{address}/?facility={FACILITY}")
    await page.wait_for_selector("#alerts li[data-state='firing']", timeout=_PATIENCE_MS)
    await page.evaluate(_WITHOUT, "#alerts li:not([data-state='firing'])")
    await page.locator("#alerts-card").screenshot(path=path)


async def take_screen(page: Page, address: str, path: Path) -> None:
    """Photograph the dashboard from its top to the end of its chart."""
    await page.set_viewport_size({"width": 1120, "height": 1400})
    await page.goto(f"{address}/?facility={FACILITY}")
    await page.wait_for_selector("#chart .picture")
    await page.wait_for_selector("body[data-state='live']")
    await page.evaluate(_WITHOUT, "#alerts-card")
    box = await page.locator(".chart").bounding_box()
    assert box is not None  # noqa: S101 - it is shown
    height = box["y"] + box["height"] + 16
    await page.screenshot(path=path, clip={"x": 0, "y": 0, "width": 1120, "height": height})


async def take_explanation(page: Page, explanation: dict[str, Any], path: Path) -> None:
    """Photograph the beginning of an explanation: total, configuration and factor."""
    text = _TOKEN.sub(_coloured, html.escape(json.dumps(explanation, indent=2), quote=False))
    await page.set_viewport_size({"width": 680, "height": 1000})
    # another page's policy would refuse the style
    await page.goto("about:blank")
    await page.set_content(f"<style>{_STYLE}</style><pre>{text}</pre>")
    await page.screenshot(path=path)


def _coloured(token: re.Match[str]) -> str:
    kind = token.lastgroup
    return token[0] if kind == "key" else f'<span class="{kind}">{token[0]}</span>'


async def _take_all(address: str) -> None:
    async with async_playwright() as playwright, httpx.AsyncClient(base_url=address) as api:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(locale="en-GB", color_scheme="light")
        await take_screen(page, address, IMAGES / "screen.png")
        await take_explanation(page, await _explanation(api), IMAGES / "explanation.png")
        threshold = "/v1/thresholds/hall-rate"
        (await api.put(threshold, json=_THRESHOLD)).raise_for_status()
        try:
            await take_alert(page, address, IMAGES / "alert.png")
        finally:
            await api.delete(threshold, params={"facility": FACILITY})
        await browser.close()
    for path in sorted(IMAGES.glob("*.png")):
        if path.stat().st_size > MAX_BYTES:
            sys.exit(f"{path} has {path.stat().st_size} bytes, more than {MAX_BYTES}")


async def _explanation(api: httpx.AsyncClient) -> Any:
    """Ask for the newest closed hour of the source, once there is one."""
    span = {"facility": FACILITY, "source": SOURCE, "interval": "1h", "from": "now-12h"}
    async with asyncio.timeout(_PATIENCE_MS / 1000):
        while True:
            rows = (await api.get("/v1/emissions", params=span)).raise_for_status().json()
            closed = [row["time"] for row in rows if row["state"] == "final"]
            if closed:
                break
            await asyncio.sleep(1)
    asked = {"facility": FACILITY, "source": SOURCE, "hour": closed[-1]}
    return (await api.get("/v1/explain", params=asked)).raise_for_status().json()


if __name__ == "__main__":
    asyncio.run(_take_all(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
