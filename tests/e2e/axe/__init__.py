"""Whether a page can be read and used by everybody, as far as axe-core can tell.

The library is a tool of these tests: they run it in the browser, and no page loads it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

_LIBRARY: Final = Path(__file__).parents[3] / ".venv/axe/node_modules/axe-core/axe.min.js"

_RUN: Final = """
async () => {
  // what it would load once more, stylesheets and sounds, is for a rule on sounds alone
  const preload = document.querySelector("audio, video") !== null;
  const { violations } = await axe.run(document, { resultTypes: ["violations"], preload });
  return violations.map(({ id, nodes }) => [id, nodes.map(({ target, any }) =>
    `${target.flat().join(" ")}: ${any.map(({ message }) => message).join("; ")}`)]);
}
"""


@cache
def _library() -> str:
    # read as it was installed; `make test` installs it
    return _LIBRARY.read_text(encoding="utf-8")


async def violations(page: Page) -> list[Any]:
    """Return the rules that a page breaks as it is now, each with where."""
    if await page.evaluate("typeof axe") == "undefined":
        await page.evaluate(_library())
    found: list[Any] = await page.evaluate(_RUN)
    return found
