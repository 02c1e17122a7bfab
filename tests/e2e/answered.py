"""Wait until a page shows all that it asked for, of whatever kind it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page

from tests.patience import pauses

#: Answered, as far as a page says so.
_SAYS_SO = """
({ loading, connecting }) => document.readyState === "complete"
  && !document.querySelector("main [aria-busy=true]")
  && ![...document.querySelectorAll("main, header")].some((part) =>
    part.innerText.includes(loading) || part.innerText.includes(connecting))
"""
#: What is drawn, or asked for next, of an answer.
_TWO_FRAMES = """
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
"""


async def open_answered(page: Page, url: str, texts: Callable[[str], str] = str) -> None:
    """Open a page and wait for its answers; ``texts``: its language.

    Some parts say nothing while they wait: so calls of the API that are under way count, too.
    """
    waited = {word: texts(word) for word in ("loading", "connecting")}
    asked: set[Any] = set()

    def begun(request: Any) -> None:
        if "/v1/" in request.url and "/v1/stream" not in request.url:
            asked.add(request)

    def ended(request: Any) -> None:
        asked.discard(request)

    events = {"request": begun, "requestfinished": ended, "requestfailed": ended}
    for event, note in events.items():
        page.on(event, note)  # type: ignore[call-overload]
    try:
        await page.goto(url)
        for pause_s in pauses():
            await page.wait_for_function(_SAYS_SO, arg=waited)
            await page.evaluate(_TWO_FRAMES)
            if not asked:
                return
            await asyncio.sleep(pause_s)
    finally:
        for event, note in events.items():
            page.remove_listener(event, note)
    raise AssertionError(f"{url}: no answer to {sorted(request.url for request in asked)}")
