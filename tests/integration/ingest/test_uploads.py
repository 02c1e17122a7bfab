"""Files by HTTP: sent in parts, checked, taken by a process of its own, and resumed."""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable

import httpx

from tests.integration.ingest.plant import FILE, Plant
from tests.integration.ingest.upload_client import (
    IMPORTS,
    begun,
    history,
    key,
    number,
    over,
    part,
    ran,
    state_of,
    uploaded,
)
from tests.patience import PATIENCE_S, until

UTILITY = """
Netz Beispiel;;;
Datum;Uhrzeit;Leistung (kW);Status
01.03.2024;00:15;1.234,5;W
01.03.2024;24:00;1.198,25;E
02.03.2024;00:15;fehlt;W
""".strip()
TABLE = """
skip: 1
number: comma
time: {column: [Datum, Uhrzeit], format: "%d.%m.%Y %H:%M", timezone: Europe/Vienna}
values:
  - channel: meter-grid.import-power
    column: Leistung (kW)
    quality: {column: Status, map: {W: good, E: uncertain}}
"""


async def test_a_file_comes_in_parts_is_checked_and_taken_once(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    content = history(3000) + b"yesterday,linz,1\n2024-03-09T00:00:00Z,wien,1\n"
    upload = str((await begun(client, "history.csv", len(content)))["id"])
    first = await part(client, upload, 0, content[:60_000])
    assert first.json()["received"] == 60_000
    assert first.json()["state"] == "receiving"
    # the answer was lost: the same again, and more; then what lies beyond what is here
    again = await part(client, upload, 50_000, content[50_000:70_000])
    assert again.json()["received"] == 70_000
    beyond = await part(client, upload, 90_000, content[90_000:])
    assert beyond.status_code == 409
    assert "offset=70000" in beyond.json()["detail"]
    early = await client.post(f"{IMPORTS}/{upload}/take", json={})
    assert early.status_code == 409
    too_much = await part(client, upload, 70_000, content[70_000:] + b"x")
    assert too_much.status_code == 409
    assert (await part(client, upload, 70_000, content[70_000:])).json()["state"] == "received"

    checked = await ran(client, upload, "check")
    assert checked["state"] == "checked"
    assert checked["check"]["stored"] == 3000
    assert checked["check"]["refused"] == {"other_facility": 1, "bad_time": 1}
    assert {row["line"] for row in checked["check"]["refusals"]} == {3002, 3003}
    assert number(plant) == 0
    assert plant.rows("SELECT 1 FROM quarantine") == []

    taken = await ran(client, upload, "take")
    assert taken["state"] == "taken"
    assert taken["report"]["stored"] == 3000
    assert taken["rows"] == 3002
    assert number(plant) == 3000
    assert len(plant.rows("SELECT 1 FROM quarantine")) == 1
    assert (await client.post(f"{IMPORTS}/{upload}/take", json={})).status_code == 409
    entries = plant.rows(
        "SELECT made_by, subject, facility, after FROM audit_entry"
        " WHERE action = 'reading.import' ORDER BY id"
    )
    assert [(e["made_by"], e["subject"], e["facility"]) for e in entries] == [
        ("key engineer", "history.csv", "linz")
    ] * 2
    assert entries[1]["after"]["stored"] == 3000

    same = await ran(client, await uploaded(client, "history.csv", content), "take")
    assert (same["report"]["stored"], same["report"]["duplicates"]) == (0, 3000)
    listed = (await client.get(IMPORTS)).json()
    assert [one["state"] for one in listed] == ["taken", "taken"]


async def test_a_table_file_says_what_stands_where_and_what_is_no_file_harms_nobody(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    upload = await uploaded(client, "Profil März.csv", UTILITY.encode())
    without = await ran(client, upload, "check")
    assert without["state"] == "failed"
    assert without["error"].startswith("Profil März.csv: ")
    wrong = await client.post(f"{IMPORTS}/{upload}/check", json={"table": "values: 3"})
    assert wrong.status_code == 422
    with_table = await ran(client, upload, "take", table=TABLE)
    # what is no number leaves a gap
    assert (with_table["report"]["stored"], with_table["report"]["gaps"]) == (3, 1)
    assert with_table["report"]["refused"] == {"bad_value": 1}

    stated = {"device": "meter-grid", "channel": "import-power"}
    for name, content, says in (
        ("bomb.csv.gz", gzip.compress(b"0" * (64 << 20)), "a line has more"),
        ("wrong.csv", history(60_000, facility="wien"), "rows were refused"),
    ):
        upload = await uploaded(client, name, content)
        state = await ran(client, upload, "check", **(stated if name == "bomb.csv.gz" else {}))
        assert state["state"] == "failed", (name, state)
        assert says in state["error"], (name, state["error"])
    assert plant.process is not None
    assert plant.process.poll() is None
    for name in ("picture.png", "no-ending", "../../etc/passwd.csv", "a\x00.csv"):
        answer = await client.post(IMPORTS, json={"name": name, "bytes": 10})
        assert answer.status_code in {400, 422}, (name, answer.text)
    large = await client.post(IMPORTS, json={"name": "a.csv", "bytes": 9 << 20})
    assert large.status_code == 413


async def test_bills_are_taken_as_a_whole(client: httpx.AsyncClient, plant: Plant) -> None:
    plant.apply(
        FILE
        + """
  - id: bills
    channels: [{id: gas, quantity: energy, unit: kWh, kind: event, since: 2023-01-01}]
"""
    )
    lines = "id,channel,from,to,amount\nB-1,bills.gas,2024-01-01,2024-02-01,3100\n"
    wrong = lines + "B-2,bills.heat,2024-02-01,2024-03-01,3100\n"
    state = await ran(
        client, await uploaded(client, "bills.csv", wrong.encode(), holds="activities"), "take"
    )
    assert state["state"] == "checked"
    assert state["report"]["stored"] == 0
    assert [row["line"] for row in state["report"]["refusals"]] == [3]
    upload = await uploaded(client, "bills.csv", lines.encode(), holds="activities")
    assert (await ran(client, upload, "check"))["check"]["stored"] == 1
    assert number(plant) == 0
    assert (await ran(client, upload, "take"))["report"]["stored"] == 1
    assert number(plant) == 31
    (entry,) = plant.rows("SELECT made_by FROM audit_entry WHERE action = 'activity.import'")
    assert entry["made_by"] == "key engineer"


async def test_a_killed_ingest_goes_on_where_it_was(
    client: httpx.AsyncClient, plant: Plant, begin_ingest: Callable[..., None]
) -> None:
    content = history(120_000)
    upload = str((await begun(client, "years.csv", len(content)))["id"])
    await part(client, upload, 0, content[:150_000])
    kill(plant)
    away = await part(client, upload, 150_000, content[150_000:300_000])
    assert away.status_code == 503
    begin_ingest()
    until_open(plant)
    received = (await client.get(f"{IMPORTS}/{upload}")).json()["received"]
    assert received == 150_000
    for offset in range(received, len(content), 150_000):
        await part(client, upload, offset, content[offset : offset + 150_000])
    assert (await client.post(f"{IMPORTS}/{upload}/take", json={})).status_code == 202
    await state_of(client, upload, lambda state: state["rows"] > 0)
    kill(plant)
    begin_ingest()
    until_open(plant)
    state = await over(client, upload)
    assert state["state"] == "taken", state
    assert number(plant) == 120_000
    assert state["report"]["stored"] + state["report"]["duplicates"] == 120_000


def kill(plant: Plant) -> None:
    assert plant.process is not None
    os.kill(plant.process.pid, signal.SIGKILL)
    plant.process.wait(PATIENCE_S)


def until_open(plant: Plant) -> None:
    until(lambda: "readings may come by HTTP" in plant.log.read_text(), "the door is open")


async def test_an_upload_is_its_facilitys_and_an_engineers(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    plant.apply(FILE.replace("id: linz", "id: wien"))
    upload = await uploaded(client, "history.csv", history(5))
    for scope, facilities, status in (
        ("read", None, 403),
        ("send", None, 403),
        ("write", ("wien",), 404),
    ):
        headers = {"Authorization": f"Bearer {key(plant, scope, facilities)}"}
        for method, path, body in (
            ("GET", IMPORTS, None),
            ("GET", f"{IMPORTS}/{upload}", None),
            ("POST", f"{IMPORTS}/{upload}/take", {}),
            ("DELETE", f"{IMPORTS}/{upload}", None),
        ):
            answer = await client.request(method, path, json=body, headers=headers)
            assert answer.status_code == status, (scope, method, path, answer.text)
    elsewhere = await client.get(
        f"/v1/facilities/wien/imports/{upload}",
        headers={"Authorization": f"Bearer {key(plant, 'write', None)}"},
    )
    assert elsewhere.status_code == 404
    assert (await client.delete(f"{IMPORTS}/{upload}")).status_code == 204
    assert (await client.get(f"{IMPORTS}/{upload}")).status_code == 404
