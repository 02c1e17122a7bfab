"""The dashboard in a real browser, over the real API and database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
import pytest
from playwright.async_api import Browser, Page, Route, expect
from pydantic import SecretStr

from deploy.site.pictures import CHROMIUM
from services.api.app import create_app
from services.api.live.feed import Pace
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from tests.e2e.pages import opened_page
from tests.integration.aggregator.plant import FILE, apply_text
from tests.integration.api.plant import FULL, MINUTE, Plant, announce, found, minutes, roll
from tests.integration.api.server import serving
from tests.services import as_login

Connection = psycopg.Connection[Any]

#: How often a wait for what a page shows looks.
_LOOKS_MS = 50

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@pytest.fixture
async def address(database_url: str) -> AsyncIterator[str]:
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")), api_auth="off")
    # the chart looks again with the first word of the stream after some seconds
    async with serving(create_app(settings, pace=Pace(longest_pause_s=1.0))) as url:
        yield url


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    return chromium


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that fails the test if it logs an error or asks another host for anything."""
    complaints: list[str] = []
    async with opened_page(browser, viewport={"width": 1440, "height": 900}) as opened:
        _listen(opened, complaints)
        yield opened
    # what a browser says of an answer that a test asks for
    assert [text for text in complaints if not re.search("status of (401|429)", text)] == []


def _listen(opened: Page, complaints: list[str]) -> None:
    """Note what a page complains of."""
    # else it looks with each frame, and has one drawn for it
    look_seldom = partial(opened.wait_for_function, polling=_LOOKS_MS)
    setattr(opened, "wait_for_function", look_seldom)  # noqa: B010 - a method is no variable
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda line: (
            complaints.append(f"{line.text} {line.location['url']}")
            # 503 of a pipeline that is not ready, or has no ingest for files, is an answer
            if line.type == "error"
            and not line.location["url"].endswith("/readyz")
            and not ("503" in line.text and line.location["url"].endswith("/imports?"))
            else None
        ),
    )
    opened.on(
        "request",
        lambda request: (
            complaints.append(request.url)
            if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else None
        ),
    )


def this_minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


def emit(connection: Connection, plant: Plant, kg_a_minute: float) -> None:
    """The newest three hours at one rate, announced."""
    now = this_minute()
    for source_id in plant.sources.values():
        minutes(
            connection,
            source_id,
            [(now + (2 - i) * MINUTE, kg_a_minute, FULL) for i in range(182)],
        )
    roll(connection, plant, now)
    announce(connection, plant)


async def wait_for(page: Page, selector: str, text: str) -> None:
    await expect(page.locator(selector)).to_have_text(text)


async def test_a_source_that_is_in_no_sum_says_why(
    address: str, page: Page, connection: Connection, database_url: str
) -> None:
    apply_text(database_url)
    apply_text(database_url, FILE.replace("id: by-gauge,", "id: by-new-gauge, check: by-counter,"))
    rows = connection.execute("SELECT slug, id FROM source").fetchall()
    (facility_id,) = connection.execute("SELECT id FROM facility").fetchone() or (0,)
    emit(
        connection,
        Plant(facility_id=facility_id, slug="works", timezone="UTC", sources=dict(rows)),
        10.0,
    )
    await page.goto(address)
    for source, why in (
        ("by-gauge", "replaced, not counted"),
        ("by-counter", "check, not counted"),
        ("by-new-gauge", ""),
    ):
        name = page.locator("#sources .name", has_text=source)
        await expect(name).to_have_text(f"{source} {why}".strip())


async def test_a_changed_rate_shows_by_itself(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz", timezone="Europe/Vienna")
    emit(connection, plant, 20.0)
    await page.goto(address)
    await wait_for(page, "#rate", "1,200")
    await wait_for(page, "#state-text", "live")
    await wait_for(page, "[data-window='1h'] .mass", "1.20 t")
    emit(connection, plant, 30.0)
    await wait_for(page, "#rate", "1,800")
    await wait_for(page, "[data-window='1h'] .mass", "1.80 t")
    await wait_for(page, "#sources tr td:nth-child(3)", "1,800 kg/h")


async def test_the_chart_shows_a_gap_as_a_gap_and_moves_by_itself(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz", timezone="Europe/Vienna")
    emit(connection, plant, 20.0)
    connection.execute(
        "DELETE FROM emission_minute WHERE minute BETWEEN %s AND %s",
        (this_minute() - 90 * MINUTE, this_minute() - 60 * MINUTE),
    )
    await page.goto(address)
    await page.wait_for_function(
        """() => {
            const { series } = document.getElementById("chart").plot?.shown ?? {};
            const bars = series?.find((s) => s.name === "stack-1");
            if (!bars) return false;
            const lately = bars.values.slice(-30, -1);  // the running interval is not over
            const known = lately.filter((v) => v !== null);
            const whole = known.filter((v) => Math.abs(v - 1200) < 1e-6);
            // where the gap begins and ends, a bar is what is known of its interval
            return lately.includes(null) && whole.length > 10 && whole.length >= known.length - 2
              && known.every((v) => v > 0 && v < 1200 + 1e-6);
        }"""
    )
    emit(connection, plant, 30.0)
    await page.wait_for_function(
        """() => {
            const { series } = document.getElementById("chart").plot.shown;
            const bars = series.find((s) => s.name === "stack-1");
            return bars.values.slice(-4).some((v) => Math.abs(v - 1800) < 1e-6);
        }"""
    )


async def test_a_bar_is_what_is_known_of_its_interval_and_never_more(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz", timezone="UTC")
    emit(connection, plant, 20.0)
    # one minute of five is known, and half of another interval is estimated
    begins = (this_minute() - 60 * MINUTE).replace(minute=0) + 5 * MINUTE
    connection.execute(
        "DELETE FROM emission_minute WHERE minute > %s AND minute < %s",
        (begins, begins + 5 * MINUTE),
    )
    connection.execute(
        "UPDATE emission_minute SET estimated_ms = 30000 WHERE minute >= %s AND minute < %s",
        (begins + 10 * MINUTE, begins + 15 * MINUTE),
    )
    announce(connection, plant)
    await page.goto(address)
    at = f"{begins:%H:%M} \N{EN DASH} {begins + 5 * MINUTE:%H:%M}"
    words = await (
        await page.wait_for_function(
            """(at) => {
                const { series: [bars], gaps } = document.getElementById("chart").plot?.shown
                    ?? { series: [] };
                const index = bars?.texts.findIndex(([label]) => label === at) ?? -1;
                return index >= 0 && [
                    bars.values[index], bars.texts[index][1], gaps[index][1],
                    bars.texts[index + 2][1], bars.patterns[index + 2],
                ];
            }""",
            arg=at,
        )
    ).json_value()
    assert words == [
        pytest.approx(240.0),
        "stack-1: 240 kg/h, 80 % without data",
        "no data: stack-1 (80 % of the time)",
        "stack-1: 1,200 kg/h, 50 % estimated",
        "estimated",
    ]
    await expect(page.locator("#legend")).to_contain_text("estimated")
    # the table behind the chart says the same, and leads to why
    await page.click("#table-details summary")
    row = page.locator("#table-body tr", has_text=at)
    await expect(row.locator("td")).to_have_text(["240 kg/h, 80 % without data", "240 kg/h"])
    await expect(row.locator("a")).to_have_attribute(
        "href",
        f"/explain?facility=linz&source=stack-1&hour={begins:%Y-%m-%dT%H}%3A00%3A00.000Z",
    )
    await expect(page.locator("#totals li[data-window='24h'] a")).to_have_attribute(
        "href", "/history?facility=linz&range=24h"
    )
    # and so does a click on a bar
    place = await page.evaluate(
        """(at) => {
            const element = document.getElementById("chart");
            const { shown, layout } = element.plot;
            const box = layout.series[0].boxes[shown.series[0].texts.findIndex(([l]) => l === at)];
            const { left, top } = element.getBoundingClientRect();
            return [left + (box.left + box.right) / 2, top + (box.top + box.bottom) / 2];
        }""",
        at,
    )
    # that page would find no hour: here are minutes alone
    await page.route("**/explain?*", lambda route: route.fulfill(body="the explanation"))
    await page.mouse.click(*place)
    await page.wait_for_url("**/explain?facility=linz&source=stack-1&hour=*")


async def test_of_many_sources_the_largest_have_bars_of_their_own(
    address: str, page: Page, connection: Connection
) -> None:
    names = [f"s{i}" for i in range(1, 22)]
    plant = found(connection, "linz", sources=[(name, 1, None) for name in names])
    now = this_minute()
    for i, source in enumerate(plant.sources.values(), 1):
        minutes(connection, source, [(now - ago * MINUTE, float(i), FULL) for ago in range(40)])
    roll(connection, plant, now)
    announce(connection, plant)
    await page.goto(address)
    legend = page.locator("#legend li")
    await expect(legend.nth(7)).to_have_text("14 others")
    assert set((await legend.all_text_contents())[:7]) == {f"s{i}" for i in range(15, 22)}
    # nor are the spaces between all of them what is seen of the present shares
    await expect(page.locator("#mix span")).to_have_count(8)
    await expect(page.locator("#mix span").last).to_have_attribute("title", "14 others: 6,300 kg/h")
    await expect(page.locator("#sources .swatch")).to_have_count(len(names))
    swatches = await page.locator("#sources .swatch").evaluate_all(
        "all => all.map((swatch) => getComputedStyle(swatch).backgroundColor)"
    )
    assert len(set(swatches)) == len(names)
    values = await page.evaluate(
        """() => {
            const { series } = document.getElementById("chart").plot.shown;
            const whole = series[0].values.findIndex((v) => Math.abs(v - 15 * 60) < 1e-6);
            return [series.length, series.at(-1).name, series.at(-1).values[whole]];
        }"""
    )
    assert values == [8, "14 others", pytest.approx(60 * sum(range(1, 15)))]


async def test_a_server_that_hangs_is_told_from_one_that_lives(
    database_url: str, page: Page, connection: Connection
) -> None:
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")), api_auth="off")
    emit(connection, found(connection, "linz"), 20.0)
    # a stream that stays open and says nothing, as behind a proxy whose server has stopped
    async with serving(create_app(settings, pace=Pace(longest_pause_s=3600.0))) as address:
        await page.clock.install()
        await page.goto(address)
        await wait_for(page, "#state-text", "live")
        await page.route("**/v1/stream*", lambda _: None)
        await page.clock.fast_forward(41_000)
        await expect(page.locator("#state-text")).to_have_text(re.compile(r"^no word for \d\d s$"))
        await expect(page.locator("body")).to_have_attribute("data-state", "silent")
        await page.unroute("**/v1/stream*")
        await page.clock.fast_forward(11_000)
        await page.clock.fast_forward(41_000)
        await page.clock.fast_forward(11_000)
        await wait_for(page, "#state-text", "live")
        await wait_for(page, "#rate", "1,200")
        # a page that outlives its server would complain
        await page.goto("about:blank")


async def test_unknown_is_not_shown_as_zero(
    address: str, page: Page, connection: Connection
) -> None:
    plant = found(connection, "linz", sources=[("silent", 1, None)])
    announce(connection, plant)
    await page.goto(address)
    await wait_for(page, "#state-text", "live")
    await wait_for(page, "#rate", "no data")
    for window in ("1h", "24h", "today", "year"):
        await wait_for(page, f"[data-window='{window}'] .mass", "no data")
    await wait_for(page, "#newest", "no data")
    minutes(
        connection,
        plant.sources["silent"],
        [(this_minute() + i * MINUTE, 0.0, FULL) for i in range(3)],
    )
    announce(connection, plant)
    await wait_for(page, "#rate", "0.00")


async def test_only_zero_is_shown_as_zero(address: str, page: Page, connection: Connection) -> None:
    emit(connection, found(connection, "linz"), 0.000_02)
    await page.goto(address)
    await wait_for(page, "#rate", "0.0012")
    await wait_for(page, "[data-window='1h'] .mass", "0.0012 kg")


async def test_a_stream_that_is_refused_for_a_while_is_asked_for_again(
    address: str, page: Page, connection: Connection
) -> None:
    emit(connection, found(connection, "linz"), 20.0)
    tried = []

    async def refuse(route: Route) -> None:
        tried.append(route)
        if len(tried) > 2:
            await route.continue_()
        else:
            await route.fulfill(status=429, json={"title": "Rate limit exceeded", "detail": "wait"})

    await page.route("**/v1/stream*", refuse)
    await page.goto(address)
    await wait_for(page, "#rate", "1,200")
    assert len(tried) == 3


@pytest.mark.parametrize("width", [390, 1440])
async def test_a_total_that_a_rule_filled_in_says_so_beside_its_figure(
    address: str, page: Page, connection: Connection, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    plant = found(connection, "linz", sources=[("stack-1", 1, None), ("stack-2", 1, None)])
    emit(connection, plant, 20.0)
    # half an hour of one stack that no reading covers
    filled = (plant.sources["stack-1"], this_minute() - 40 * MINUTE, this_minute() - 10 * MINUTE)
    connection.execute(
        "UPDATE emission_minute SET co2_ug = 0, closing_ug = co2_ug, covered_ms = 0,"
        " substituted_ms = 60000 WHERE source_id = %s AND minute >= %s AND minute < %s",
        filled,
    )
    connection.execute(
        "UPDATE rolling_total SET covered_ms = covered_ms - 1800000, substituted_ms = 1800000"
        " WHERE source_id = %s",
        filled[:1],
    )
    announce(connection, plant)
    await page.goto(address)
    await wait_for(page, "[data-window='1h'] .mass", "2.40 t")
    await expect(page.locator("[data-window='1h'] .filled")).to_have_text(
        re.compile(r"^2\d(\.\d)? % substituted$")
    )
    first, second = (page.locator("#sources tr").nth(i) for i in range(2))
    await expect(first.locator("td[data-label='1 h'] .filled")).to_have_text(
        re.compile(r"^(4|5)\d(\.\d)? % substituted$")
    )
    await expect(second.locator(".filled")).to_have_count(0)
    # the chart draws what was filled in at its rate, and says what it is
    await page.wait_for_function(
        """() => {
            const { series } = document.getElementById("chart").plot?.shown ?? {};
            const bars = series?.find((s) => s.name === "stack-1");
            const isFull = (v) => v !== null && Math.abs(v - 1200) < 1e-6;
            return bars && bars.values.slice(-20, -1).every(isFull)
              && bars.texts.some(([, words]) => words.endsWith("kg/h, 100 % substituted"))
              && bars.patterns.includes("substituted");
        }"""
    )
    overflow = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0


async def test_another_facility_can_be_chosen_and_linked_to(
    address: str, page: Page, connection: Connection
) -> None:
    for slug, rate in (("graz", 1.0), ("linz", 2.0)):
        emit(connection, found(connection, slug), rate)
    await page.goto(f"{address}/?facility=linz")
    await wait_for(page, "#rate", "120")
    await page.select_option("#facility", "graz")
    await wait_for(page, "#rate", "60.0")
    assert page.url.endswith("?facility=graz")


async def test_without_a_facility_the_page_says_what_to_do(
    address: str, page: Page, connection: Connection
) -> None:
    await page.goto(address)
    await expect(page.locator("#notice")).to_contain_text("tonne apply")
    emit(connection, found(connection, "linz"), 1.0)
    await wait_for(page, "#rate", "60.0")


@pytest.mark.parametrize("width", [390, 1440])
async def test_nothing_is_wider_than_the_screen(
    address: str, page: Page, connection: Connection, width: int
) -> None:
    emit(
        connection,
        found(
            connection,
            "linz",
            sources=[("stack-1", 1, None), ("a-source-with-a-long-name", 2, "kWh")],
        ),
        200.0,
    )
    await page.set_viewport_size({"width": width, "height": 844})
    await page.goto(address)
    await wait_for(page, "#state-text", "live")
    await page.wait_for_selector("#chart .picture")
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_where_a_key_is_needed_the_page_asks_for_it(
    page: Page, database_url: str, connection: Connection
) -> None:
    emit(connection, found(connection, "linz"), 1.0)
    key = keys.create(connection, name="screen")
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")))
    async with serving(create_app(settings)) as guarded:
        await page.goto(guarded)
        await page.fill("#key", key)
        await page.click("#key-form button")
        await wait_for(page, "#rate", "60.0")
        # a link sends no key
        await page.click("nav >> text=History")
        await page.click("#table-details summary")
        # what is shown is known
        await expect(page.locator("#csv[href]")).to_be_visible()
        async with page.expect_download() as download:
            await page.click("#csv")
        file = await download.value
        assert file.suggested_filename == "emissions.csv"
        assert (await file.path()).read_text().startswith("source,source_name,scope,counts,time")
        await page.goto("about:blank")
