"""How long the page of history takes from an input to the painted frame of a year."""

from __future__ import annotations

import statistics
from typing import Any, Final

from playwright.async_api import Browser

from tests.bench.pages.visit import counts, visit

#: From an input, which ``act`` makes, to the frame in which the page has answered it.
_TIMED: Final = """
(act) => new Promise((done) => {
  const whole = document.getElementById("whole");
  const began = performance.now();
  new Function(act)();
  const look = () => {
    if (whole.getAttribute("aria-busy") === "true") return requestAnimationFrame(look);
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - began);
    requestAnimationFrame(() => channel.port2.postMessage(null));
  };
  look();
})
"""
_CHOOSE: Final = (
    'const e = document.getElementById("{0}"); e.value = "{1}";'
    ' e.dispatchEvent(new Event("change"))'
)
_PRESS: Final = (
    'document.getElementById("bars-chart")'
    '.dispatchEvent(new KeyboardEvent("keydown", {{key: "{0}"}}))'
)
#: An input and the one that takes it back; each is timed.
INPUTS: Final = {
    "zoom in and out": (_PRESS.format("+"), _PRESS.format("-")),
    "switch by scope and source": (_CHOOSE.format("by", "scope"), _CHOOSE.format("by", "source")),
    "switch figure": (_CHOOSE.format("figure", "co2e"), _CHOOSE.format("figure", "co2")),
}


async def redraws(browser: Browser, address: str, *, times: int) -> dict[str, Any]:
    """Return by input ms to the painted frame, of the main thread, and of the slowest answer."""
    figures: dict[str, Any] = {}
    async with visit(browser, {"chart": "!document.querySelector('[aria-busy=true]')"}) as opened:
        page, session, _ = opened
        await page.goto(address)
        await page.wait_for_function("() => window.tonneSeen.chart")
        for name, acts in INPUTS.items():
            painted: list[float] = []
            answered: list[float] = []
            busy = (await counts(session))["TaskDuration"]
            for _ in range(times):
                for act in acts:
                    await page.evaluate("performance.clearResourceTimings()")
                    painted.append(await page.evaluate(_TIMED, act))
                    answered.append(
                        await page.evaluate(
                            "Math.max(0, ...performance.getEntriesByType('resource')"
                            ".map((e) => e.duration))"
                        )
                    )
            busy = ((await counts(session))["TaskDuration"] - busy) * 1000 / len(painted)
            figures[name] = {
                "painted_ms": round(statistics.median(painted)),
                "slowest_answer_ms": round(statistics.median(answered)),
                "main_thread_ms": round(busy),
            }
    return figures
