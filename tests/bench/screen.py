"""How soon pages show a facility of 20 sources with a year of hours, and what they cost later.

Run by ``make bench``; writes ``.tonne/bench/screen.json``. A real Chromium with nothing cached
opens the facility's page and a year of history. ``figures`` and ``chart`` are when figures and
chart with data stood in a painted frame, since navigation began. A live figure changes by a commit
as the aggregator makes it. Memory is that of the facility's page over an hour of such changes, one
a second, on a clock that runs faster. ``main_thread_ms`` is processor time of the page, which a
busy machine makes longer less than the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright
from pydantic import SecretStr

from deploy.site.pictures import CHROMIUM
from services.api.app import create_app
from services.api.live.feed import Pace
from services.core.runtime.settings import Settings
from tests.bench.answers.store import Shape, build
from tests.bench.api import api, database
from tests.bench.pages import live, redraw
from tests.bench.pages.visit import first_paint
from tests.integration.api.server import serving
from tests.services import server_directory

SHAPE = Shape(facilities=2, minutes=timedelta(hours=25), has_readings=False)
DRAWN = "document.querySelector('{0} .bars')"
PAGES = {
    "facility": (
        "/?facility=f0",
        {
            "figures": "document.querySelector('#totals .mass')"
            " && !document.querySelector('[data-window=year] .mass.unknown')",
            "chart": DRAWN.format("#chart"),
        },
    ),
    "year of history": (
        "/history?facility=f0&range=12mo&bars=1d",
        {
            "figures": "document.querySelector('#mass:not(.unknown)')",
            "chart": DRAWN.format("#bars-chart"),
        },
    ),
}
PAINT_MS = 1000
LIVE_MS = 100


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()


async def measure(port: int, url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask the browser all questions; print and return the figures."""
    address = f"http://127.0.0.1:{port}"
    figures: dict[str, Any] = {}

    def tell(name: str, figure: Any) -> None:
        figures[name] = figure
        print(f"{name}: {json.dumps(figure)}", flush=True)

    async with chromium() as browser:
        for name, (path, conditions) in PAGES.items():
            tell(
                f"first paint, {name}",
                await first_paint(browser, address + path, conditions, visits=arguments.visits),
            )
        path, _ = PAGES["year of history"]
        tell("redraw", await redraw.redraws(browser, address + path, times=arguments.times))
        path, _ = PAGES["facility"]
        tell("live", await live.latencies(browser, address + path, url, events=arguments.events))
        if arguments.updates:
            settings = Settings(database_url=SecretStr(url), api_auth="off")
            # a page whose clock stands still does not take up a stream that has run its course
            app = create_app(settings, pace=Pace(least_pause_s=0.0, life_s=7200.0))
            async with serving(app) as fast:
                tell(
                    "memory",
                    await live.memory(browser, fast + path, url, updates=arguments.updates),
                )
    return figures


def main() -> None:
    """Build, measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="a store that an earlier run left, see --keep")
    parser.add_argument("--keep", action="store_true", help="build, say where, wait for Ctrl-C")
    parser.add_argument("--visits", type=int, default=7, help="of each page")
    parser.add_argument("--times", type=int, default=5, help="that each input is made")
    parser.add_argument("--events", type=int, default=40, help="that are timed")
    parser.add_argument(
        "--updates", type=int, default=3600, help="while memory is watched; 0: none"
    )
    arguments = parser.parse_args()
    with ExitStack() as ending:
        url = arguments.database or ending.enter_context(database())
        if arguments.database is None:
            print(json.dumps(build(url, SHAPE, datetime.now(UTC))), url, flush=True)
        if arguments.keep:
            signal.pause()
        service = ending.enter_context(api(url, ending.enter_context(server_directory())))
        figures = asyncio.run(measure(service.port, url, arguments))
    figures |= {"asked_paint_ms": PAINT_MS, "asked_live_ms": LIVE_MS}
    figures["load_average"] = round(os.getloadavg()[0], 2)
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "screen.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
