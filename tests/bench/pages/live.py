"""Changes of a figure as the aggregator announces them, and when the page shows them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import psycopg
from playwright.async_api import Browser, CDPSession, Page

from services.core.store.emissions import facility_progress
from tests.bench.pages.visit import counts, visit

FIGURE: Final = '[data-window="1h"] .mass'
#: A tonne more in the last hour of one source: less is not seen in a figure of many tonnes.
_STEP: Final = """
UPDATE rolling_total r SET co2_ug = r.co2_ug + 1000000000000
FROM source s WHERE s.id = r.source_id AND s.slug = 's0' AND r.span = '1h'
AND s.facility_id = %(facility)s
"""
#: Notes when an event of the stream was read, and when the figure stood in a painted frame.
_NOTE: Final = """
window.tonneEvents = [];
const now = () => performance.timeOrigin + performance.now();
const parse = JSON.parse;
let arrived = 0;
JSON.parse = (text, ...more) => {
  if (text.startsWith('{"as_of"')) arrived = now();
  return parse(text, ...more);
};
addEventListener("DOMContentLoaded", () => {
  let shown = "";
  new MutationObserver(() => {
    const text = document.querySelector('FIGURE')?.textContent ?? "";
    if (text === shown) return;
    shown = text;
    const event = { arrived, text };
    const channel = new MessageChannel();
    channel.port1.onmessage = () => window.tonneEvents.push({ ...event, painted: now() });
    requestAnimationFrame(() => channel.port2.postMessage(null));
  }).observe(document.getElementById("totals"),
    { subtree: true, childList: true, characterData: true });
});
""".replace("FIGURE", FIGURE)


class Changes:
    """One more tonne each time, in one transaction with its announcement."""

    def __init__(self, url: str) -> None:
        """Connect to the store, whose first facility is changed."""
        self._connection = psycopg.connect(url)
        row = self._connection.execute("SELECT id FROM facility WHERE slug = 'f0'").fetchone()
        assert row is not None
        self._facility = row[0]

    def make(self) -> float:
        """Change the figure; return the instant (epoch, ms) before its commit."""
        self._connection.execute(_STEP, {"facility": self._facility})
        facility_progress.advance(self._connection, self._facility, slug="f0", hours_wait=False)
        began_ms = time.time() * 1000
        self._connection.commit()
        return began_ms

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


async def latencies(browser: Browser, address: str, url: str, *, events: int) -> dict[str, Any]:
    """Return ms from when a commit begins to its event in the page, and to the painted frame."""
    changes = Changes(url)
    committed: list[float] = []
    async with visit(browser, {}, script=_NOTE) as (page, _session, _wire):
        await page.goto(address)
        await page.wait_for_function("() => window.tonneEvents.length > 0")
        # the last day of the chart is read and drawn
        await asyncio.sleep(3)
        before = await page.evaluate("window.tonneEvents.length")
        for number in range(events):
            committed.append(await asyncio.to_thread(changes.make))
            await page.wait_for_function(
                "count => window.tonneEvents.length >= count", arg=before + number + 1
            )
            # not in step with what the page does by the second
            await asyncio.sleep(0.5 + number * 0.618 % 1)
        rows = (await page.evaluate("window.tonneEvents"))[before:]
    changes.close()
    pairs = list(zip(rows, committed, strict=True))
    return {
        "events": events,
        **{
            f"{name}_{key}_ms": value
            for name in ("arrived", "painted")
            for key, value in percentiles([row[name] - at for row, at in pairs]).items()
        },
    }


def percentiles(values: list[float]) -> dict[str, int]:
    """Return the median, the 95th percentile and the largest."""
    ordered = sorted(values)
    return {
        "p50": round(ordered[len(ordered) // 2]),
        "p95": round(ordered[len(ordered) * 95 // 100]),
        "max": round(ordered[-1]),
    }


async def memory(browser: Browser, address: str, url: str, *, updates: int) -> dict[str, Any]:
    """Return the counts of a page after a tenth, half and all of so many updates, a second each.

    The page's clock runs ahead, so that its timers and what it reads anew now and then do in
    minutes what they do in an hour.
    """
    changes = Changes(url)
    figures: dict[str, Any] = {"updates": updates}
    async with visit(browser, {}) as (page, session, _wire):
        await page.clock.install()
        await page.goto(address)
        await page.clock.run_for(1000)
        await page.wait_for_selector(FIGURE)
        for number in range(1, updates + 1):
            await _update(page, changes)
            if number in {updates // 10, updates // 2, updates}:
                figures[f"after_{number * 100 // updates}_percent"] = await _collected(session)
    changes.close()
    return figures


async def _update(page: Page, changes: Changes) -> None:
    shown = await page.locator(FIGURE).text_content()
    await asyncio.to_thread(changes.make)
    await page.wait_for_function(
        "([figure, shown]) => document.querySelector(figure).textContent !== shown",
        arg=[FIGURE, shown],
        polling=5,
    )
    await page.clock.run_for(1000)


async def _collected(session: CDPSession) -> dict[str, int]:
    for _ in range(3):
        await session.send("HeapProfiler.collectGarbage")
    after = await counts(session)
    return {
        "heap_bytes": int(after["JSHeapUsedSize"]),
        "nodes": int(after["Nodes"]),
        "listeners": int(after["JSEventListeners"]),
    }
