"""Whether a page, as it is now, fits a phone and a desk, and can be read by everybody there."""

from __future__ import annotations

from typing import Any, Final

from playwright.async_api import Page

from tests.e2e.axe import violations
from tests.e2e.screenshots import photograph

#: A phone in the dark, where most is folded, and a desk.
_SCREENS: Final = ((390, "dark"), (1440, "light"))

#: Laid out anew, and what watches its own size has drawn itself: observers are told in the order
#: in which they were made, and this one is the newest.
_LAID_OUT: Final = """
() => new Promise((done) => {
  const observer = new ResizeObserver(() => {
    observer.disconnect();
    done();
  });
  observer.observe(document.documentElement);
})
"""

#: What does not fit: texts wider than their box, and what reaches beyond the page.
TOO_WIDE: Final = """
() => {
  const page = document.documentElement.clientWidth;
  const scrolls = (e) => e.closest(".scroll") && getComputedStyle(e.closest(".scroll")).overflowX;
  const isLarger = (e) => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).overflowX === "visible" && getComputedStyle(e).display !== "inline";
  return [...document.querySelectorAll("body *")]
    .filter((e) => !e.closest("#chart, .charts, .plot, .map, [hidden], select, .sr, .skip, thead"))
    .filter((e) => e.getClientRects().length > 0 && scrolls(e) !== "auto")
    .filter((e) => isLarger(e) || e.getBoundingClientRect().right > page + 1)
    .map((e) => `${e.tagName}.${e.className}#${e.id}: ${e.textContent.trim().slice(0, 60)}`);
}
"""

#: Words that a line has room for and that stand on two lines all the same.
BROKEN: Final = """
() => {
  const broken = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (!text.parentElement.closest("td, th, dt, dd, button, label, h1, h2, p")) continue;
    if (text.parentElement.closest("[hidden], .sr, .skip, pre, textarea, select")) continue;
    // a phone shows the heads of tables to nobody but those who hear them
    const head = text.parentElement.closest("thead");
    if (head && getComputedStyle(head).position === "absolute") continue;
    // letters of other scripts, and parts that a hyphen joins, may be on different lines
    const words = text.textContent.matchAll(/(?<!\\S)[\\w.,:%äöüßÄÖÜ]{2,12}(?!\\S)/g);
    for (const { 0: word, index } of words) {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const tops = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)));
      if (tops.size > 1) broken.add(`${word} in ${text.textContent.trim().slice(0, 60)}`);
    }
  }
  return [...broken];
}
"""


async def show_at(page: Page, width: int, height: int = 900) -> None:
    """Give a page a size, and wait until all that follows it is drawn: charts do a moment later."""
    await page.set_viewport_size({"width": width, "height": height})
    await page.wait_for_function("width => innerWidth === width", arg=width)
    await page.evaluate(_LAID_OUT)


async def check_width(page: Page, width: int, height: int = 900, *, name: str = "") -> None:
    """Look whether all of a page of this size has room; ``name``: of a picture of it."""
    await show_at(page, width, height)
    if name:
        await photograph(page, f"{name}-{width}")
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    assert await page.evaluate(TOO_WIDE) == [], width


async def check_fit(page: Page, name: str) -> None:
    """Look at a page, with what is open on it, on both screens: text, width, and axe-core."""
    wrong: dict[str, Any] = {}
    for width, scheme in _SCREENS:
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await show_at(page, width)
        await photograph(page, f"{name}-{width}-{scheme}")
        found = {
            "wide": await page.evaluate("document.documentElement.scrollWidth") != width,
            "too wide": await page.evaluate(TOO_WIDE),
            "broken": await page.evaluate(BROKEN),
            "axe": await violations(page),
        }
        wrong |= {f"{name}, {width}, {what}": where for what, where in found.items() if where}
    assert not wrong, wrong
