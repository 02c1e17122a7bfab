"""One API over two cells answers as one over one database that has all the facilities."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openpyxl
import psycopg
import pytest
from pydantic import SecretStr
from pypdf import PdfReader

from services.api.app import create_app
from services.api.cells import all_cells
from services.core.runtime.clock import FixedClock
from services.core.store.operations import keys
from tests.command import tonne
from tests.integration.api.cells_plant import (
    NOW,
    Databases,
    both_clients,
    filled,
    let_in,
    move_it,
    organise,
    settings,
    silence,
)
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S, pauses
from tests.services import Postgres, as_login

pytestmark = pytest.mark.database

#: Of one facility of either cell, of both by name, and of all.
_SPAN = "from=2026-11-23T16:00:00Z&to=2026-11-23T18:00:00Z"
CALLS = (
    "/v1/facilities",
    "/v1/facilities?limit=1",
    "/v1/facilities/linz/versions",
    "/v1/facilities/graz",
    "/v1/facilities/graz/factors",
    "/v1/facilities/graz/recipients",
    "/v1/facilities/nowhere/factors",
    "/v1/live?facility=linz",
    "/v1/live?facility=graz",
    "/v1/live?facility=nowhere",
    "/v1/live?facility=graz&as_of=2026-11-23T17:30:00Z",
    "/v1/live",
    "/v1/overview",
    "/v1/overview?facility=graz,linz",
    "/v1/overview?facility=graz,nowhere",
    "/v1/devices",
    "/v1/monitors",
    f"/v1/emissions?{_SPAN}&interval=1h",
    f"/v1/emissions?{_SPAN}&interval=10m&facility=graz",
    f"/v1/emissions?{_SPAN}&interval=10m&format=csv",
    "/v1/overview.csv",
    f"/v1/emissions?{_SPAN}&interval=10m&facility=graz,linz&source=grid",
    f"/v1/emissions?{_SPAN}&interval=1h&group_by=scope",
    f"/v1/emissions?{_SPAN}&interval=1h&source=nothing",
    f"/v1/emissions?{_SPAN}&interval=1h&limit=3",
    f"/v1/emissions?{_SPAN}&interval=nonsense",
    f"/v1/emissions?{_SPAN}&interval=1h&fields=time,facility,co2_kg",
    f"/v1/emissions?{_SPAN}&interval=1d&as_of=2026-11-23T17:30:00Z",
    f"/v1/readings?{_SPAN}",
    f"/v1/readings?{_SPAN}&raw=true&limit=20",
    f"/v1/readings?{_SPAN}&channel=co2,nothing",
    f"/v1/readings/corrections?{_SPAN}",
    "/v1/quarantine",
    "/v1/quarantine?limit=3",
    "/v1/quarantine?reason=nonsense",
    f"/v1/restatements?{_SPAN}",
    "/v1/reports?year=2026",
    "/v1/reports/cbam?year=2026",
    f"/v1/pollutants?{_SPAN}",
    "/v1/limits",
    f"/v1/intensity?{_SPAN}",
    # before reports are written of either
    "/v1/audit",
    "/v1/audit?facility=graz",
    "/v1/audit?facility=graz,linz&limit=1",
    "/v1/audit?facility=nowhere",
    "/v1/pathway",
    "/v1/pathway?total=true",
    "/v1/pathway?total=true&format=csv",
    "/v1/pathway?total=true&facility=graz,nowhere",
    "/v1/pathway/years",
    "/v1/pathway/years?total=true&facility=graz,linz",
    "/v1/reports/emissions?period=2026",
    "/v1/reports/emissions?period=2026-11&facility=graz,linz&language=de",
    "/v1/reports/emissions?period=2026-11&facility=graz",
    "/v1/reports/emissions?period=2026-Q4&as_of=2026-11-23T17:30:00Z",
    *(
        f"/v1/reports/emissions?period=2026-11&format=csv&table={table}"
        for table in (
            "totals",
            "sources",
            "months",
            "removals",
            "rules",
            "methods",
            "restatements",
            "facilities",
        )
    ),
    "/v1/reports/emissions?period=2026-11&facility=linz,nowhere",
    "/v1/reports/emissions?period=2027",
    "/v1/reports/emissions?period=2026&organisation=nobody",
    f"/v1/footprints?{_SPAN}&min_coverage=0",
    f"/v1/footprints?{_SPAN}",
    f"/v1/footprints?{_SPAN}&min_coverage=0&facility=graz,linz&product=steam",
    f"/v1/footprints?{_SPAN}&min_coverage=0&product=heat-graz",
    f"/v1/footprints?{_SPAN}&product=steam,nothing",
    "/v1/removals",
    "/v1/forecast",
    "/v1/organisations",
    f"/v1/electricity?{_SPAN}",
    f"/v1/electricity/contracts?{_SPAN}",
    f"/v1/electricity/storage?{_SPAN}",
    "/v1/explain?facility=graz&source=grid&hour=2026-11-23T17:00:00Z",
    f"/v1/factors/shares?{_SPAN}",
    "/v1/factors?factor=natural-gas,diesel",
    "/v1/alerts",
    "/v1/alerts?limit=3",
    "/v1/alerts?facility=graz",
    "/v1/alerts/codes",
    "/v1/thresholds",
    "/v1/maintenance",
    f"/v1/annotations?{_SPAN}",
    f"/v1/annotations?{_SPAN}&limit=3",
    "/v1/devices/candidates",
    "/v1/me",
    "/v1/schema/facility",
    "/prometheus/api/v1/query?query=sum(tonne_co2_rate_kg_h)",
    "/prometheus/api/v1/query?query=tonne_co2_kg_total",
    "/prometheus/api/v1/query?query=tonne_co2_rate_kg_h{facility=%22graz%22}",
    "/prometheus/api/v1/query_range?query=sum(tonne_co2_kg_total)&start=1795452000&end=1795456800&step=600",
    "/prometheus/api/v1/series?match[]=tonne_co2_kg_total",
    "/prometheus/api/v1/label/facility/values",
    "/prometheus/api/v1/query?query=sum(",
)

#: What two databases number or date by themselves.
_OWN = frozenset({
    "id", "applied_at", "received_at", "known_at", "in_force_from", "address", "login",
    "request_id", "changed_at", "clock_offset_s", "configured_at", "last_applied_at",
    "known_from", "base_known_at",
})  # fmt: skip


def plain(body: Any) -> Any:
    """The answer without what tells which database gave it."""
    if isinstance(body, dict):
        return {
            name: plain(value)
            for name, value in body.items()
            if name not in _OWN or (name == "id" and isinstance(value, str))
        }
    return [plain(part) for part in body] if isinstance(body, list) else body


@pytest.fixture(autouse=True)
def a_busy_cell_is_not_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a cell of a busy machine take its time; one that is silent refuses at once."""
    monkeypatch.setattr(all_cells, "_GLANCE_S", PATIENCE_S)
    monkeypatch.setattr(all_cells, "_MOVES_WITHIN_S", PATIENCE_S)


@pytest.fixture
def databases(postgres_cluster: Postgres, migrated_template: str) -> Iterator[Databases]:
    with filled(postgres_cluster, migrated_template) as made:
        yield made


@pytest.fixture
async def clients(
    databases: Databases,
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of the API over one database, and one of that over cells."""
    async with both_clients(databases) as both:
        yield both


async def pages(client: httpx.AsyncClient, call: str) -> list[tuple[int, str, Any]]:
    """The answer, with every page that follows it."""
    answers = []
    address: str | None = call
    while address is not None:
        answer = await client.get(address)
        kind = answer.headers["content-type"]
        body = answer.json() if "json" in kind else answer.text
        body = plain(body)
        if call.startswith("/v1/audit"):
            # each database was filled at its time
            body = [{**row, "time": None} for row in body]
        answers.append((answer.status_code, kind, body))
        address = answer.links["next"]["url"] if "next" in answer.links else None
        assert len(answers) < 60
    return answers


def first_difference(one: Any, other: Any) -> str:
    """Where two answers differ, with a little of what stands around it."""
    one, other = json.dumps(one, indent=0), json.dumps(other, indent=0)
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    return f"{one[max(0, at - 150) : at + 150]!r}\n  {other[max(0, at - 150) : at + 150]!r}"


def cells_of(workbook: bytes) -> dict[str, list[tuple[Any, ...]]]:
    """The cells of each sheet, without when a database knew a factor."""
    book = openpyxl.load_workbook(io.BytesIO(workbook))
    sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}
    for title, rows in sheets.items():
        drop = {i for row in rows for i, cell in enumerate(row) if "Known from" in str(cell)}
        sheets[title] = [tuple(c for i, c in enumerate(row) if i not in drop) for row in rows]
    return sheets


def pdf_text(document: bytes) -> str:
    """The text of each page, without the minute in which a database knew a factor."""
    pages = PdfReader(io.BytesIO(document)).pages
    return re.sub(r"\d\d-\d\d \d\d:\d\d", "", "\n".join(p.extract_text() for p in pages))


async def test_every_answer_is_that_of_one_database(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    one, over = clients
    different = []
    for call in CALLS:
        wanted, answered = await pages(one, call), await pages(over, call)
        if wanted != answered:
            different.append(f"{call}\n  {first_difference(wanted, answered)}")
    assert not different, "\n\n".join(different)


async def test_a_page_is_refused_after_a_facility_moved_or_with_a_foreign_cursor(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    _, over = clients
    answer = await over.get("/v1/alerts?limit=3")
    next_page = answer.links["next"]["url"]
    with psycopg.connect(databases.b, autocommit=True) as b:
        b.execute(
            "INSERT INTO cell_arrival (facility, from_cell, arrived_at) VALUES ('x', 'home', now())"
        )
    refused = await over.get(next_page)
    assert refused.status_code == 409
    assert "begin with the first page" in refused.json()["detail"]
    for cursor in ("nonsense", "MTc=", "W10=", "WzEseyJhIjozfV0="):
        assert (await over.get(f"/v1/alerts?cursor={cursor}")).status_code == 400


async def test_validators_are_each_cells_own(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    _, over = clients
    for call in ("/v1/live?facility=linz", "/v1/live?facility=graz", "/v1/facilities"):
        tag = (await over.get(call)).headers["etag"]
        assert (await over.get(call, headers={"If-None-Match": tag})).status_code == 304, call
        other = tag[:-1] + '~c"' if "~" not in tag else tag.replace("~b", "")
        assert (await over.get(call, headers={"If-None-Match": other})).status_code == 200, call


async def test_what_is_written_goes_to_the_cell_of_the_facility(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    _, over = clients
    alerts = (await over.get("/v1/alerts")).json()
    for facility in ("linz", "graz"):
        alert = next(row for row in alerts if row["facility"] == facility)
        answer = await over.post(f"/v1/alerts/{alert['id']}/ack", json={"comment": "seen"})
        assert (answer.status_code, answer.json()["facility"]) == (200, facility)
        read = (await over.get(f"/v1/alerts/{alert['id']}")).json()
        assert (read["facility"], read["comment"]) == (facility, "seen")
        path = f"/v1/thresholds/night?facility={facility}"
        night = {"measure": "rate", "above": 10.0, "severity": "info"}
        assert (await over.put(path, json=night)).status_code == 200
        listed = (await over.get(f"/v1/thresholds?facility={facility}")).json()
        assert "night" in {row["id"] for row in listed}
        assert (await over.delete(path)).status_code == 200
    assert (await over.post("/v1/alerts/999999/ack", json={})).status_code == 404
    ids = f"{alerts[0]['id']},{alerts[1]['id']}"
    assert (await over.get(f"/v1/alerts/courses?alert={ids}")).status_code == 200
    absent = await over.get(f"/v1/alerts/courses?alert={ids},999999")
    assert (absent.status_code, "999999" in absent.text) == (404, True)
    unnamed = await over.put("/v1/thresholds/night", json=night)
    assert unnamed.status_code == 422
    assert "name" in unnamed.json()["detail"]
    text = (await over.get("/v1/facilities/graz")).text
    applied = await over.put("/v1/facilities/graz?wait=false", content=text)
    assert (applied.status_code, applied.headers["tonne-cell"]) == (200, "b")
    new = text.replace("id: graz", "id: wels").replace("A-graz", "A-wels")
    elsewhere = await over.put("/v1/facilities/wels", content=new, headers={"Tonne-Cell": "c"})
    assert (elsewhere.status_code, "no cell c" in elsewhere.text) == (422, True)
    headers = {"Tonne-Cell": "b"}
    made = await over.put("/v1/facilities/wels?wait=false", content=new, headers=headers)
    assert (made.status_code, made.headers["tonne-cell"]) == (200, "b")
    with psycopg.connect(databases.home, autocommit=True) as home:
        home.execute("INSERT INTO cell_facility (slug, cell) VALUES ('enns', 'home')")
    taken = await over.put(
        "/v1/facilities/enns", content=text.replace("id: graz", "id: enns"), headers=headers
    )
    assert (taken.status_code, "the id enns is of cell home" in taken.text) == (409, True)
    assert [row["id"] for row in (await over.get("/v1/facilities")).json()] == [
        "graz", "linz", "wels",
    ]  # fmt: skip
    corrected = await over.put(
        "/v1/readings",
        json={"facility": "graz", "reason": "misread", "readings": [
            {"device": "meter-grid", "channel": "import-power", "time": "2026-11-23T17:45:00Z",
             "value": 1.0, "was": 145.0}]},
    )  # fmt: skip
    # no ingest of that cell runs here
    assert (corrected.status_code, corrected.headers["tonne-cell"]) == (503, "b")
    audit = (await over.get("/v1/audit?action=alert.acknowledge")).json()
    assert {row["facility"] for row in audit} == {"linz", "graz"}


async def test_sums_over_years_are_those_of_one_database(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    databases.lengthen()
    one, over = clients
    for call in (
        "/v1/pathway?total=true",
        "/v1/pathway?total=true&as_of=2026-11-20T00:00:00Z",
        "/v1/pathway/years?total=true",
        "/v1/reports/emissions?period=2025",
        "/v1/footprints?from=2025-11-24T00:00:00Z&min_coverage=0",
    ):
        wanted, answered = await pages(one, call), await pages(over, call)
        assert wanted == answered, f"{call}\n  {first_difference(wanted, answered)}"
    rows = (await over.get("/v1/pathway?total=true&scope=2")).json()
    assert [(row["facility"], row["peak"]) for row in rows] == [("graz linz", "peaked")]
    assert rows[0]["actual_kg"] > 0


async def test_a_report_is_one_document_of_all_cells_and_noted_in_each(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    one, over = clients
    call = "/v1/reports/emissions?period=2026-11"
    wanted, answered = [await api.get(f"{call}&format=xlsx") for api in (one, over)]
    assert answered.headers["content-disposition"] == wanted.headers["content-disposition"]
    sheets = [cells_of(answer.content) for answer in (wanted, answered)]
    for title, rows in sheets[0].items():
        assert rows == sheets[1][title], title
    assert {"graz", "linz"} <= {cell for row in sheets[1]["Totals"] for cell in row}
    texts = [pdf_text((await api.get(f"{call}&format=pdf")).content) for api in (one, over)]
    assert texts[0] == texts[1]
    noted = (await over.get("/v1/audit?action=report.export")).json()
    assert sorted(row["facility"] for row in noted) == ["graz", "graz", "linz", "linz"]
    for url, facility in ((databases.home, "linz"), (databases.b, "graz")):
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT DISTINCT facility FROM audit_entry WHERE action = 'report.export'"
            ).fetchall()
        assert rows == [(facility,)]
    refused = tonne(databases.home, "report", "emissions", "2026-11")
    assert (refused.code, "cell home" in refused.stderr, "--facility" in refused.stderr) == (
        1, True, True,
    )  # fmt: skip


async def test_a_sum_is_asked_for_again_only_if_a_cell_changed(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    _, over = clients
    call = f"/v1/footprints?{_SPAN}"
    tag = (await over.get(call)).headers["etag"]
    assert (await over.get(call, headers={"If-None-Match": tag})).status_code == 304
    with psycopg.connect(databases.b, autocommit=True) as b:
        b.execute("UPDATE facility_progress SET sequence = sequence + 1")
    assert (await over.get(call, headers={"If-None-Match": tag})).status_code == 200


async def test_what_one_cell_answers_wants_a_facility(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    _, over = clients
    assert (await over.post("/v1/quarantine/replay", json={})).status_code == 422
    assert (await over.post("/v1/factors/works-grid/values", json={})).status_code == 422


async def test_what_names_no_facility_and_no_row_is_refused_as_by_one_database(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    for client in clients:
        for value in (5, True, {"linz": 1}):
            replay = await client.post("/v1/quarantine/replay", json={"facility": value})
            assert replay.status_code == 422, replay.text
        # more digits than Python makes a number of
        alert = await client.get(f"/v1/alerts/{'9' * 5000}")
        assert alert.status_code == 422, alert.text


async def test_a_facility_in_a_body_is_read_as_by_the_call(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    _, over = clients
    for value, cell in ((" graz,", "b"), (["{graz}"], "b"), ("linz", "home")):
        body = {"facility": value, "reason": ["moved_facility"]}
        replay = await over.post("/v1/quarantine/replay", json=body)
        assert replay.status_code in {200, 202}, replay.text
        assert replay.headers["Tonne-Cell"] == cell
    both = await over.post("/v1/quarantine/replay", json={"facility": "linz,graz"})
    assert both.json()["type"] == "urn:tonne:problem:several-cells"
    every = await over.post("/v1/quarantine/replay", json={"facility": ["$__all"]})
    assert "facility: name one" in every.json()["detail"]


async def test_a_stream_is_of_the_cell_of_its_facility(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    _, over = clients
    async with over.stream("GET", "/v1/stream?facility=graz") as stream:
        assert stream.status_code == 200
        async for line in stream.aiter_lines():
            if line.startswith("data:") and "as_of" in line:
                assert json.loads(line.removeprefix("data:"))["facility"] == "graz"
                break


async def test_a_silent_cell_is_named_and_no_total_lacks_it(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
    databases: Databases,
    postgres_cluster: Postgres,
) -> None:
    _, over = clients
    assert len((await over.get("/v1/facilities")).json()) == 2
    silence(postgres_cluster, databases.b)
    listed = await over.get("/v1/facilities")
    assert [row["id"] for row in listed.json()] == ["linz"]
    assert listed.headers["tonne-missing"] == "graz"
    assert "etag" not in listed.headers
    for call in (
        "/v1/live?facility=graz",
        "/v1/emissions?interval=1h",
        "/v1/overview?facility=linz,graz",
        "/v1/reports?year=2026",
        "/v1/reports/emissions?period=2026",
        "/v1/reports/emissions?period=2026&facility=linz,graz&format=pdf",
        "/v1/footprints",
        "/v1/pathway?total=true",
        "/v1/pathway/years?total=true",
        "/prometheus/api/v1/query?query=sum(tonne_co2_rate_kg_h)",
    ):
        refused = await over.get(call)
        assert refused.status_code == 503, call
        assert "graz" in refused.text, call
        assert refused.headers["retry-after"], call
    for call in (
        "/v1/live?facility=linz",
        "/v1/emissions?interval=1h&facility=linz",
        "/v1/reports/emissions?period=2026&facility=linz",
        "/v1/me",
    ):
        assert (await over.get(call)).status_code == 200, call
    ready = (await over.get("/readyz")).json()
    assert any(n["code"] == "cell-away" and "graz" in n["detail"] for n in ready["notices"])
    assert 'tonne_api_cell_up{cell="b"} 0.0' in (await over.get("/metrics")).text
    let_in(postgres_cluster, databases.b)
    async with asyncio.timeout(PATIENCE_S):
        while (await over.get("/v1/live?facility=graz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert len((await over.get("/v1/facilities")).json()) == 2


async def test_what_two_cells_have_counts_in_no_sum(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    _, over = clients
    assert (await over.get("/v1/live?facility=linz")).status_code == 200
    with psycopg.connect(databases.b, autocommit=True) as b:
        # as after a restore of the cell from before a move: nobody may write it there
        b.execute("SET session_replication_role = replica")
        b.execute(
            "INSERT INTO facility (slug, name, timezone, document)"
            " VALUES ('linz', 'Linz', 'UTC', '{}')"
        )
    # whoever looks after the API has it look where facilities live
    await over.get("/readyz")
    refused = await over.get("/v1/live?facility=linz")
    assert refused.json()["type"] == "urn:tonne:problem:facility-in-two-cells"
    for call in (
        "/v1/live?facility=linz",
        "/v1/reports/emissions?period=2026-11",
        "/v1/emissions?from=2026-11-23T16:00:00Z&to=2026-11-23T18:00:00Z&interval=1h",
        "/v1/pathway?total=true",
        "/prometheus/api/v1/query?query=sum(tonne_co2_rate_kg_h)",
    ):
        refused = await over.get(call)
        assert refused.status_code == 503, call
        assert "linz in home and b" in refused.text, call
    for call in (
        "/v1/live?facility=graz",
        "/v1/reports/emissions?period=2026-11&facility=graz",
        "/v1/facilities",
        "/v1/alerts",
    ):
        assert (await over.get(call)).status_code == 200, call
    with psycopg.connect(databases.b, autocommit=True) as b:
        b.execute("DELETE FROM facility WHERE slug = 'linz'")
    assert (await over.get("/v1/live?facility=linz")).status_code == 200


async def test_a_database_that_is_another_cell_is_not_asked(databases: Databases) -> None:
    """As by a wrong line in TONNE_CELLS: what b has counted twice, as soon as c had answered."""
    both = settings(databases.home, databases.b)
    b = as_login(databases.b, "tonne_api")
    app = create_app(
        both.model_copy(update={"cells": SecretStr(f"b={b} c={b}")}),
        clock=FixedClock(NOW),
        health_holds_s=0,
    )
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as over,
    ):
        for _ in range(2):
            listed = await over.get("/v1/facilities")
            assert [row["id"] for row in listed.json()] == ["graz", "linz"]
            assert listed.headers["Tonne-Missing"] == "cell c"
            refused = await over.get("/v1/reports/emissions?period=2026-11")
            assert refused.json()["type"] == "urn:tonne:problem:cell-away"
            assert "named as cell c is another one" in refused.json()["detail"]
            live = await over.get("/v1/live?facility=graz")
            assert (live.status_code, live.headers["Tonne-Cell"]) == (200, "b")
            ready = (await over.get("/readyz")).text
            assert "named as cell c is another one" in ready
            # that it answers, says nothing of which one it is
            app.state.context.cells.contexts["c"].presence.alive()
        with psycopg.connect(databases.b, autocommit=True) as connection:
            connection.execute("UPDATE cell SET name = 'c' WHERE here")
            assert "named as cell b is another one" in (await over.get("/readyz")).text
            live = await over.get("/v1/live?facility=graz")
            assert (live.status_code, live.headers["Tonne-Cell"]) == (200, "c")
            connection.execute("UPDATE cell SET name = 'b' WHERE here")


async def test_what_moved_out_of_a_cell_before_it_fell_silent_is_served(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
    databases: Databases,
    postgres_cluster: Postgres,
) -> None:
    _, over = clients
    assert (await over.get("/v1/live?facility=graz")).status_code == 200
    await asyncio.to_thread(move_it, databases, "graz", "b", "home")
    silence(postgres_cluster, databases.b)
    for call in ("/v1/live?facility=graz", "/v1/reports/emissions?period=2026-11&facility=graz"):
        answer = await over.get(call)
        for pause_s in pauses():
            if answer.status_code == 200:
                break
            # the API has not looked yet where it lives
            await asyncio.sleep(pause_s)
            answer = await over.get(call)
        assert answer.status_code == 200, call
    let_in(postgres_cluster, databases.b)


async def test_keys_of_the_home_cell_open_facilities_of_all(databases: Databases) -> None:
    with psycopg.connect(databases.home, autocommit=True) as connection:
        everything = keys.create(connection, name="all", scopes=["admin"])
        limited = keys.create(connection, name="graz", scopes=["read"], facilities=["graz"])
    with psycopg.connect(databases.b, autocommit=True) as connection:
        foreign = keys.create(connection, name="of b", scopes=["admin"])
    app = create_app(settings(databases.home, databases.b, auth="required"))
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):

        async def ask(path: str, key: str) -> httpx.Response:
            return await client.get(path, headers={"Authorization": f"Bearer {key}"})

        assert len((await ask("/v1/facilities", everything)).json()) == 2
        assert [r["id"] for r in (await ask("/v1/facilities", limited)).json()] == ["graz"]
        assert {r["facility"] for r in (await ask("/v1/alerts", limited)).json()} == {"graz"}
        assert (await ask("/v1/live?facility=graz", limited)).status_code == 200
        unseen, absent = [
            await ask(f"/v1/live?facility={slug}", limited) for slug in ("linz", "nowhere")
        ]
        assert (unseen.status_code, absent.status_code) == (404, 404)
        assert unseen.json()["detail"].replace("linz", "nowhere") == absent.json()["detail"]
        series = await ask("/prometheus/api/v1/label/facility/values", limited)
        assert series.json()["data"] == ["graz"]
        assert (await ask("/v1/facilities", foreign)).status_code == 401
        assert (await ask("/v1/live?facility=graz", foreign)).status_code == 401


async def test_a_facility_that_moves_is_answered_by_exactly_one_cell(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], databases: Databases
) -> None:
    one, over = clients
    organise(databases)
    calls = (
        "/v1/overview",
        "/v1/reports/emissions?period=2026-11&organisation=both",
        "/v1/live?facility=linz",
        "/v1/emissions?from=2026-11-23T16:00:00Z&to=2026-11-23T18:00:00Z&interval=1h",
        "/prometheus/api/v1/query?query=sum(tonne_co2_rate_kg_h)",
    )
    wanted = {call: plain((await one.get(call)).json()) for call in calls}
    loop, reads, ended = asyncio.get_running_loop(), [], asyncio.Event()

    async def read_all() -> None:
        while not ended.is_set():
            for call in calls:
                answer = await over.get(call)
                reads.append(call)
                assert answer.status_code == 200, (call, answer.text)
                assert plain(answer.json()) == wanted[call], call

    def at_step(step: str) -> None:
        # each state of the move is read at least once, whoever is faster
        if step in {"copied", "frozen", "left", "arrived", "old rows deleted"}:
            before = len(reads)
            until = time.monotonic() + (0.3 if step == "left" else PATIENCE_S)
            while len(reads) < before + 2 * len(calls) and time.monotonic() < until:
                time.sleep(0.01)
                assert not reading.done() or reading.exception() is None, reading.exception()

    def move_there_and_back() -> None:
        move_it(databases, "linz", "home", "b", step=at_step)
        move_it(databases, "linz", "b", "home", step=at_step)

    reading = loop.create_task(read_all())
    try:
        await asyncio.to_thread(move_there_and_back)
    finally:
        ended.set()
        await reading
    assert len(reads) > 20
