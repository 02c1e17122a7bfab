"""The page of configuration in a real browser: write, be corrected, try, apply, look back."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest
from playwright.async_api import Page, expect

from deploy.site.pictures import CHROMIUM
from services.core.store.operations import keys
from services.ingest.sources.http.listener import HttpDoor
from tests.e2e.asking import asking
from tests.e2e.fitting import check_fit
from tests.e2e.test_dashboard import address, browser, connection, emit, page, this_minute, wait_for
from tests.e2e.test_dashboard_corrections import address as beside_ingest
from tests.e2e.test_dashboard_corrections import door, socket
from tests.e2e.test_dashboard_people import guarded
from tests.integration.aggregator.plant import FILE as AGGREGATED
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import Plant, at, found, minutes
from tests.integration.api.test_facility_files import ADDRESS, TEXT

__all__ = ["address", "beside_ingest", "browser", "connection", "door", "guarded", "page", "socket"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

#: Watched, and with somebody to tell.
REST = """\
thresholds:
  - {id: hot, measure: rate, above: 1000}
  - {id: year, measure: budget, window: year, budget: 1000000, above: 0.9}
notify:
  - {email: shift@example.org}
"""
FILE = TEXT + REST
#: A device that the file in force has not, and a message of it that lacks one channel.
PLUG = """\
  - id: plug
    topic: tele/plug/SENSOR
    format: json
    timestamp: {from: Time, timezone: Europe/Vienna}
    channels:
      - {id: energy, from: ENERGY.Total, quantity: energy, unit: kWh, kind: counter, scale: 10}
      - {id: power, from: ENERGY.Power, quantity: power, unit: kW, kind: gauge, range: [0, 5]}
      - {id: export, from: ENERGY.Export, quantity: power, unit: kW, kind: gauge}
"""
MESSAGE = '{"Time": "2026-11-23T19:00:00", "ENERGY": {"Total": 1.25, "Power": 9}}'
FACTOR = "co2_kg: 0.2, valid_from: 2026-01-01"


async def test_a_file_is_written_corrected_tried_applied_and_looked_back_at(
    address: str, page: Page, connection: psycopg.Connection[object]
) -> None:
    async with asking(address) as client:
        assert (await client.put(ADDRESS, content=FILE)).status_code == 200
    (source,) = connection.execute("SELECT id FROM source WHERE slug = 'by-gauge'").fetchone() or ()
    minutes(connection, source, [(at("2026-11-20T10:00:00Z"), 2.0, 60_000)])

    await page.goto(f"{address}/configuration?facility=works")
    editor = page.locator("#text")
    await expect(editor).to_have_value(FILE)
    await wait_for(page, "#check-summary", "No mistakes.")
    await expect(page.locator("#try")).to_be_disabled()
    await expect(page.locator("#recipient-rows tbody th")).to_have_text(
        ["mqtt", "email shift@example.org"]
    )
    budget = page.locator("#threshold-rows tr", has_text="year")
    await expect(budget).to_contain_text("90 % of 1,000 t")
    await expect(page.locator("#factor-rows td[data-label=Valid]")).to_have_text(
        ["2020-01-01 until 2026-01-01", "from 2026-01-01"]
    )

    await editor.fill(FILE.replace(FACTOR, "co2_kgs: 0.3, valid_from: 2026-01-01"))
    await wait_for(page, "#check-summary", "1 mistake:")
    problem = page.locator("#problems button")
    line = 1 + FILE[: FILE.index(FACTOR)].count("\n")
    await expect(problem).to_contain_text(f"Line {line}")
    await expect(problem).to_contain_text("did you mean co2_kg?")
    await check_fit(page, "configuration-mistake")
    await problem.click()
    await page.keyboard.type("co2_kg")
    await wait_for(page, "#check-summary", "No mistakes.")
    changed = FILE.replace(FACTOR, FACTOR.replace("0.2", "0.3"))
    await expect(editor).to_have_value(changed)

    # what may stand at the caret is offered: a value, and keys that the part has not
    caret = changed.index("kind: gauge, max_gap: 120") + len("kind: g")
    await editor.evaluate(f"area => area.setSelectionRange({caret}, {caret})")
    await editor.press("Control+Space")
    offers = page.locator("#offers [role=option]")
    await expect(offers.locator("b")).to_have_text(["gauge"])
    await check_fit(page, "configuration-offers")
    await page.keyboard.press("Escape")
    await expect(offers.first).to_be_hidden()
    await editor.press("Control+End")
    await page.keyboard.type("  - {em")
    await expect(offers.locator("b")).to_have_text(["email"])
    await page.keyboard.press("ArrowDown")
    await expect(editor).to_have_attribute("aria-activedescendant", "offer-0")
    await page.keyboard.press("Enter")
    await expect(editor).to_have_value(f"{changed}  - {{email: ")
    await editor.fill(changed)
    await wait_for(page, "#check-summary", "No mistakes.")

    await page.click("#try")
    outcome = page.locator("#outcome")
    await expect(outcome).to_contain_text("factor f 2026-01-01, co2 kg")
    await expect(page.locator("#facility")).to_have_value("works")
    await expect(outcome.locator("td[data-label=Hours]")).to_have_text(["1"])
    await check_fit(page, "configuration-tried")
    async with asking(address) as client:
        assert (await client.get(ADDRESS)).text == FILE
        await page.click("#apply")
        await expect(page.locator("#confirm")).to_contain_text("by-gauge")
        await check_fit(page, "configuration-confirm")
        await page.click("#confirm button[value=apply]")
        await wait_for(page, "#notice", "Applied.")
        await wait_for(page, "#file-summary", "in force")
        assert (await client.get(ADDRESS)).text == changed

        versions = page.locator("#version-rows tbody tr")
        await expect(versions).to_have_count(2)
        await expect(versions.first).to_contain_text("someone without a key")
        await versions.first.get_by_role("button", name="Compare version 2").click()
        await expect(page.locator("#difference .added").last).to_contain_text("co2_kg: 0.3")
        await check_fit(page, "configuration-versions")
        await versions.last.get_by_role("button", name="Open version 1").click()
        await expect(editor).to_have_value(FILE)
        async with page.expect_download() as download:
            await page.click("#download")
        assert (await download.value).suggested_filename == "works.yaml"


async def test_the_form_changes_the_text_and_leaves_its_comments(address: str, page: Page) -> None:
    file = FILE.replace("above: 1000}", "above: 1000}  # of the hall")
    async with asking(address) as client:
        assert (await client.put(ADDRESS, content=file)).status_code == 200

    await page.goto(f"{address}/configuration?facility=works")
    await wait_for(page, "#check-summary", "No mistakes.")
    await page.click("#as-form")
    form = page.locator("#form")
    await expect(page.locator("#editor")).to_be_hidden()
    await form.get_by_text("thresholds", exact=True).click()
    await form.get_by_text("hot", exact=True).click()
    hot = form.locator("[data-path='/thresholds/0']")
    above = hot.get_by_label("above", exact=True)
    await expect(above).to_have_accessible_description(re.compile("kg/h of the figure"))
    await above.fill("a lot")
    await above.press("Tab")
    await wait_for(page, "#check-summary", "1 mistake:")
    await expect(above).to_have_attribute("aria-invalid", "true")
    await check_fit(page, "configuration-form-mistake")
    # a mistake leads to its field, also where that is closed
    await form.get_by_text("thresholds", exact=True).click()
    await page.locator("#problems button").click()
    await expect(above).to_be_focused()
    await above.fill("1200")
    await above.press("Tab")
    await wait_for(page, "#check-summary", "No mistakes.")

    await form.get_by_text("sources", exact=True).click()
    await form.get_by_role("button", name="Add to sources").click()
    source = form.locator("[data-path='/sources/4']")
    for key, value in {"id": "hall", "input": "meter.energy", "factor": "f"}.items():
        await source.get_by_label(re.compile(f"^{key} required")).fill(value)
    await source.get_by_label(re.compile("^scope")).select_option("2")
    await source.get_by_label("State more of this part").select_option("name")
    await source.get_by_label("name", exact=True).fill("Hall 2")
    await source.get_by_label("name", exact=True).press("Tab")
    await expect(page.locator("#text")).to_have_value(re.compile("name: Hall 2"))
    await expect(source.get_by_label(re.compile("^scope"))).to_have_value("2")
    await expect(source.get_by_label(re.compile("^factor"))).to_have_value("f")
    await wait_for(page, "#check-summary", "No mistakes.")
    await check_fit(page, "configuration-form")

    await page.click("#as-text")
    text = await page.locator("#text").input_value()
    changed = file.replace("above: 1000}  # of the hall", "above: 1200}  # of the hall")
    assert set(changed.splitlines()) < set(text.splitlines())
    # one document is behind both, however often one looks at either
    await page.click("#as-form")
    await expect(form).to_be_visible()
    await page.click("#as-text")
    await expect(page.locator("#text")).to_have_value(text)
    await page.click("#try")
    await expect(page.locator("#outcome")).to_contain_text("threshold hot, above")
    await page.click("#apply")
    await page.click("#confirm button[value=apply]")
    await wait_for(page, "#notice", "Applied.")
    async with asking(address) as client:
        assert (await client.get(ADDRESS)).text == text


async def test_every_part_of_a_form_opens_and_its_address_leads_to_it(
    address: str, page: Page
) -> None:
    file = FILE.replace("kind: gauge, ", "kind: gauge, range: [0, 900], ", 1).replace(
        FACTOR, f"gases: {{HFC-32: 0.5}}, {FACTOR}"
    )
    assert file.count("range: [0, 900]") == file.count("HFC-32") == 1
    async with asking(address) as client:
        put = await client.put(ADDRESS, content=file)
        assert put.status_code == 200, put.text
    await page.goto(f"{address}/configuration?facility=works&part=/factors/1/gases&language=de")
    form = page.locator("#form")
    gases = form.locator("[data-path='/factors/1/gases']")
    await expect(gases.locator("> summary")).to_be_focused()
    await expect(gases).to_contain_text("kg jedes anderen Treibhausgases je Einheit")
    # keys that the file chooses itself have fields, and so have rows of values
    await gases.get_by_placeholder("Schlüssel").fill("HFC-125")
    await gases.get_by_role("button", name="Hinzufügen").click()
    await gases.get_by_label("HFC-125", exact=True).fill("0.25")
    await gases.get_by_label("HFC-125", exact=True).press("Tab")
    await expect(page.locator("#text")).to_have_value(re.compile("HFC-32: 0.5, HFC-125: 0.25"))
    # what opens brings parts that are closed
    await page.wait_for_function(
        """() => {
            const closed = document.querySelectorAll("#form details.part:not(:has(> .below))");
            for (const part of closed) part.open = true;
            return closed.length === 0;
        }"""
    )
    limits = form.get_by_label("Wertebereich", exact=True)
    await expect(limits).to_have_value("0  900")
    await limits.fill("0; 950")
    await limits.press("Tab")
    await expect(page.locator("#text")).to_have_value(re.compile(r"range: \[0, 950\]"))
    await wait_for(page, "#check-summary", "Keine Fehler.")
    assert "part=%2F" in page.url
    # what is not there leads to what it would stand in
    await page.goto(f"{address}/configuration?facility=works&part=/sources/0/name")
    await expect(form.locator("[data-path='/sources/0']")).to_have_attribute("open", "")
    await page.click("#as-text")
    await expect(page).to_have_url(f"{address}/configuration?facility=works")


async def test_a_facility_is_made_on_the_page(address: str, page: Page) -> None:
    await page.goto(f"{address}/facilities")
    await expect(page.locator("#notice")).to_contain_text("There is no facility yet")
    await page.get_by_role("link", name="New facility …").click()
    dialog = page.get_by_role("dialog", name="New facility")
    await dialog.get_by_label("Name").fill('Werk: "Süd"')
    await dialog.get_by_label("Id").fill("Süd")
    await dialog.get_by_label("Time zone").fill("Europe/Vienna")
    await check_fit(page, "configuration-new")
    write = dialog.get_by_role("button", name="Write its file")
    await write.click()
    # the browser itself says what is wrong with the id
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Id").fill("sued")
    await write.click()
    await expect(dialog).to_be_hidden()
    await wait_for(page, "#check-summary", "No mistakes.")
    await wait_for(page, "#file-summary", "new, not applied")
    await expect(page.locator("#versions")).to_be_hidden()
    text = await page.locator("#text").input_value()

    await page.click("#try")
    await expect(page.locator("#outcome")).not_to_be_empty()
    await page.click("#apply")
    await page.click("#confirm button[value=apply]")
    await page.wait_for_url("**/configuration?facility=sued")
    await wait_for(page, "#file-summary", "in force")
    await expect(page.locator("#version-rows tbody tr")).to_have_count(1)
    async with asking(address) as client:
        assert (await client.get("/v1/facilities/sued")).text == text
        (made,) = (await client.get("/v1/facilities")).json()
    assert (made["name"], made["timezone"]) == ('Werk: "Süd"', "Europe/Vienna")

    # an id is taken once
    await page.click("#new")
    await dialog.get_by_label("Name").fill("Other")
    await dialog.get_by_label("Id").fill("sued")
    await write.click()
    await expect(page.locator("#notice")).to_contain_text("There is a facility sued already")
    await wait_for(page, "#file-summary", "in force")


async def test_a_message_is_tried_with_the_file_as_it_is_written(
    beside_ingest: str, door: HttpDoor, page: Page
) -> None:
    text = FILE.replace("devices:\n", f"devices:\n{PLUG}")
    async with asking(beside_ingest) as client:
        assert (await client.put(ADDRESS, content=FILE)).status_code == 200
        answer = await client.post(f"{ADDRESS}/try", json={"text": text, "payload": MESSAGE})
    taken, refused, absent = answer.json()
    assert (taken["value"], taken["stored"], taken["quality"]) == (12.5, 1.25, "good")
    time = datetime.fromisoformat(taken["time"]).astimezone(ZoneInfo("Europe/Vienna"))

    await page.goto(f"{beside_ingest}/configuration?facility=works")
    await wait_for(page, "#check-summary", "No mistakes.")
    await page.locator("#text").fill(text)
    trial = page.get_by_role("region", name="Try a message")
    await trial.get_by_label("Topic").fill(taken["topic"])
    await trial.get_by_label("Message").fill(MESSAGE)
    await trial.get_by_label("Topic").press("Enter")
    tables = trial.locator("table")
    shown = [
        ["plug.energy", "12.5 stored as 1.25", taken["unit"], taken["quality"],
         f"{time:%Y-%m-%d %H:%M:%S}", taken["timed_by"], taken["from"]],
        ["plug.power", "out of range", refused["detail"]],
        ["plug.export", absent["unit"], absent["from"]],
    ]  # fmt: skip
    for i, cells in enumerate(shown):
        await expect(tables.nth(i).locator("tbody tr > *")).to_have_text(cells)
    await wait_for(
        page,
        "#message-summary",
        "1 value would be stored · 1 would be refused · 1 is not in the message",
    )
    await check_fit(page, "configuration-message")

    # another message has another answer, and the same one in another writing has the same
    await trial.get_by_label("Message").fill(MESSAGE.encode().hex(" "))
    await expect(tables).to_have_count(0)
    await trial.get_by_label("Pasted as").select_option("hex")
    await trial.get_by_role("button", name="Try the message").click()
    await expect(tables.first.locator("tbody tr > *")).to_have_text(shown[0])
    async with asking(beside_ingest) as client:
        assert (await client.get(ADDRESS)).text == FILE
        span = {"facility": "works", "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
        assert (await client.get("/v1/readings", params=span)).json() == []

    # what is refused is no fault of the page's, though a browser notes it
    bare = await page.context.new_page()
    await bare.goto(f"{beside_ingest}/configuration?facility=works&language=de")
    await wait_for(bare, "#check-summary", "Keine Fehler.")
    await bare.locator("#message-topic").fill("hall/x")
    await bare.locator("#message-payload").fill(MESSAGE)
    await bare.locator("#message-beside").fill("site=north")
    await bare.locator("#message button").click()
    refusal = bare.locator("#message-outcome").get_by_role("alert")
    await expect(refusal).to_contain_text("'site' steht nicht neben einer Nutzlast")
    await bare.locator("#message-beside").fill("property.site=north\n\nproperty.site=south")
    await bare.locator("#message button").click()
    await expect(refusal).to_contain_text("Kein Gerät der Datei nimmt Nachrichten am Topic hall/x")
    await bare.locator("#message-encoding").select_option("hex")
    await expect(refusal).to_have_count(0)
    await bare.locator("#message button").click()
    await expect(refusal).to_contain_text("nicht hexadezimal")
    door.close()
    await bare.locator("#message-encoding").select_option("text")
    await bare.locator("#message button").click()
    await expect(refusal).to_contain_text("läuft nicht")


async def test_a_limit_of_what_is_known_in_part_says_that_data_are_missing(
    address: str, page: Page, connection: psycopg.Connection[tuple[int]], database_url: str
) -> None:
    limits = "thresholds: [{id: day, source: by-gauge, measure: total, window: 24h, above: 9e4}]\n"
    apply_text(database_url, AGGREGATED + limits)
    (facility,) = connection.execute("SELECT id FROM facility").fetchone() or (0,)
    (source,) = connection.execute("SELECT id FROM source WHERE slug = 'by-gauge'").fetchone() or (
        0,
    )
    sources = {"by-gauge": source}
    plant = Plant(facility_id=facility, slug="works", timezone="UTC", sources=sources)
    emit(connection, plant, 20.0)
    now = this_minute()
    connection.execute(
        "INSERT INTO threshold_state (threshold_id, facility_id, state, projected, since, at)"
        " SELECT id, facility_id, 'no-data', false, %s, %s FROM threshold",
        (now, now),
    )
    await page.goto(f"{address}/configuration?facility=works")
    row = page.locator("#threshold-rows tr", has_text="day")
    await expect(row).to_contain_text("3.6")
    await expect(row).to_contain_text("not known: data are missing")


async def test_who_may_only_read_is_told_so(
    guarded: str, page: Page, connection: psycopg.Connection[object]
) -> None:
    found(connection, "works")
    key = keys.create(connection, name="screen")
    await page.add_init_script(f"sessionStorage.setItem('tonne-api-key', '{key}')")
    await page.goto(f"{guarded}/configuration")
    await expect(page.locator("#reader")).to_contain_text("not change it")
    await expect(page.locator("#file")).to_be_hidden()
    await expect(page.locator("#new")).to_be_hidden()
    await check_fit(page, "configuration-reader")
