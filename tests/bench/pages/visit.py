"""Visits to a page with nothing cached: what was painted when, and what came over the wire."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Browser, CDPSession, Page

WIDTH, HEIGHT = 1440, 900
#: After this a page has failed.
PATIENCE_MS: Final = 60_000

#: Notes when a condition of the page was first true of a painted frame, and the largest paint.
_WATCH: Final = """
(conditions) => {
  const seen = (window.tonneSeen = {});
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.largest_contentful_paint = entry.startTime;
  }).observe({ type: "largest-contentful-paint", buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      if (entry.name === "first-contentful-paint") seen.first_contentful_paint = entry.startTime;
  }).observe({ type: "paint", buffered: true });
  const left = new Map(
    Object.entries(conditions).map(([name, text]) => [name, new Function(`return ${text}`)]));
  const look = () => {
    for (const [name, isMet] of left) {
      if (!document.body || !isMet()) continue;
      left.delete(name);
      // a task that is posted in a frame runs when the frame is painted
      const channel = new MessageChannel();
      channel.port1.onmessage = () => { seen[name] = performance.now(); };
      requestAnimationFrame(() => channel.port2.postMessage(null));
    }
    if (left.size) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""


@dataclass(kw_only=True)
class Wire:
    """What a page's requests were; bytes are those of heads and bodies as they were sent."""

    requests: int = 0
    bytes: int = 0
    largest: dict[str, int] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)

    def see_request(self, event: dict[str, Any]) -> None:
        """Count a request, if it is one of the network."""
        address = urlsplit(event["request"]["url"])
        if address.scheme == "http":
            self.requests += 1
            self._addresses[event["requestId"]] = address.path

    def see_end(self, event: dict[str, Any]) -> None:
        """Count the bytes of an answer that is complete."""
        if path := self._addresses.get(event["requestId"]):
            size = int(event["encodedDataLength"])
            self.bytes += size
            self.largest[path] = self.largest.get(path, 0) + size


@asynccontextmanager
async def visit(
    browser: Browser, conditions: dict[str, str], *, script: str = ""
) -> AsyncIterator[tuple[Page, CDPSession, Wire]]:
    """Open an empty page of a browser without cache or cookies that watches ``conditions``."""
    context = await browser.new_context(locale="en-GB", viewport={"width": WIDTH, "height": HEIGHT})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    if conditions:
        await page.add_init_script(f"({_WATCH})({_object(conditions)})")
    if script:
        await page.add_init_script(script)
    session = await context.new_cdp_session(page)
    wire = Wire()
    session.on("Network.requestWillBeSent", wire.see_request)
    session.on("Network.loadingFinished", wire.see_end)
    await session.send("Network.enable")
    await session.send("Performance.enable")
    try:
        yield page, session, wire
    finally:
        await context.close()


def _object(conditions: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {text!r}" for name, text in conditions.items()) + "}"


async def counts(session: CDPSession) -> dict[str, float]:
    """Return the browser's counts of a page: ``TaskDuration`` in s, ``JSHeapUsedSize``, ..."""
    answer = await session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in answer["metrics"]}


async def first_paint(
    browser: Browser, address: str, conditions: dict[str, str], *, visits: int
) -> dict[str, Any]:
    """Return medians over visits: ms since navigation began, ms of main thread, bytes, requests."""
    rows: list[dict[str, float]] = []
    largest: dict[str, int] = {}
    for _ in range(visits):
        async with visit(browser, conditions) as (page, session, wire):
            await page.goto(address)
            await page.wait_for_function(
                "names => names.every((name) => window.tonneSeen[name])", arg=list(conditions)
            )
            seen = await page.evaluate("window.tonneSeen")
            busy = (await counts(session))["TaskDuration"] * 1000
            rows.append(
                {
                    **{f"{name}_ms": value for name, value in seen.items()},
                    "main_thread_ms": busy,
                    "bytes": wire.bytes,
                    "requests": wire.requests,
                }
            )
            largest = dict(sorted(wire.largest.items(), key=lambda item: -item[1])[:5])
    return {**medians(rows), "visits": visits, "largest_bytes": largest}


def medians(rows: list[dict[str, float]]) -> dict[str, int]:
    """Return the median of each figure, rounded."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        name: round(statistics.median(row[name] for row in rows if name in row)) for name in names
    }
