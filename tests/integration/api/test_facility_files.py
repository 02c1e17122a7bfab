"""Facility files over HTTP: checked, tried, applied, and every version that was in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.core.store.operations import keys
from services.core.store.registry.applied_file import NOT_KEPT
from tests.command import tonne
from tests.integration.aggregator.plant import FILE, Plant, Reading, instant
from tests.integration.api.test_auth import bearer, guarded

__all__ = ["guarded"]

Connection = psycopg.Connection[Any]

ADDRESS = "/v1/facilities/works"
YAML = {"Content-Type": "application/yaml"}
TEXT = f"# written by hand\n{FILE}"
#: All that a dry run must not touch.
_STATE = """
SELECT (SELECT count(*) FROM facility_version), (SELECT count(*) FROM audit_entry),
       (SELECT count(*) FROM recompute), (SELECT revision FROM registry_revision),
       (SELECT file FROM facility WHERE slug = 'works')
"""


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """The facility with three closed hours of two meters."""
    plant = Plant(database_url)
    begins = instant("2026-11-20T10:00:00Z")
    for minute in range(0, 181, 5):
        at = begins + timedelta(minutes=minute)
        plant.store(
            [Reading("meter.energy", at, 1000.0 + minute), Reading("meter.power", at, 60.0)],
        )
    plant.tick(instant("2026-11-28T10:00:00Z"))
    # hours that changed in the last minute are not closed: let that minute have passed
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    plant.tick(instant("2026-11-28T10:01:00Z"))
    yield plant
    plant.close()


async def test_what_is_applied_over_http_is_what_the_command_applies(
    client: httpx.AsyncClient, database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "works.yaml"
    path.write_text(TEXT)
    assert tonne(database_url, "apply", path).code == 0
    again = (await client.put(ADDRESS, content=TEXT)).json()
    assert (again["changes"], again["differences"], again["restated"]) == ([], [], [])
    changed = TEXT.replace("name: Works", "name: New works")
    applied = (await client.put(ADDRESS, content=changed)).json()
    assert applied["changes"] == ["~ facility works"]
    assert applied["differences"] == [
        {"place": "facility, name", "before": "Works", "after": "New works"}
    ]
    path.write_text(changed)
    assert "unchanged" in tonne(database_url, "apply", path).said
    assert tonne(database_url, "export", "works").stdout == changed


async def test_every_version_is_there_with_who_applied_it(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    key = bearer(keys.create(connection, name="works", scopes=["write"]))
    texts = [
        TEXT,
        TEXT + "# only a comment\n",
        TEXT.replace("kind: gauge, max_gap: 120", "kind: gauge, max_gap: 90"),
    ]
    for text in texts:
        assert (await guarded.put(ADDRESS, content=text, headers=key)).status_code == 200
    assert (await guarded.put(ADDRESS, content=texts[-1], headers=key)).status_code == 200
    rows = (await guarded.get(f"{ADDRESS}/versions", headers=key)).json()
    assert [row["number"] for row in rows] == [3, 2, 1]
    assert {row["applied_by"] for row in rows} == {"key works"}
    assert [row["sha256"] for row in rows] == [
        sha256(text.encode()).hexdigest() for text in reversed(texts)
    ]
    assert [row["changes"] for row in rows[:2]] == [["~ channel meter.power"], []]
    page = await guarded.get(f"{ADDRESS}/versions?limit=2", headers=key)
    rest = (await guarded.get(page.links["next"]["url"], headers=key)).json()
    assert [row["number"] for row in rest] == [1]
    for number, text in enumerate(texts, 1):
        assert (await guarded.get(f"{ADDRESS}/versions/{number}", headers=key)).text == text
    assert (await guarded.get(f"{ADDRESS}/versions/4", headers=key)).status_code == 404
    lines = (await guarded.get(f"{ADDRESS}/versions/2/difference", headers=key)).text.splitlines()
    assert [line for line in lines[2:] if line[0] in "+-"] == ["+# only a comment"]
    since = await guarded.get(f"{ADDRESS}/versions/3/difference?since=1", headers=key)
    removed, added = (line for line in since.text.splitlines()[2:] if line[0] in "+-")
    assert (removed[-13:], added[-12:]) == ("max_gap: 120}", "max_gap: 90}")
    for statement in (
        "UPDATE facility_version SET applied_by = 'x'",
        "DELETE FROM facility_version",
    ):
        connection.execute("SET ROLE tonne_admin")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        connection.execute("RESET ROLE")


async def test_a_file_made_from_a_version_that_was_replaced_is_refused(
    client: httpx.AsyncClient,
) -> None:
    await client.put(ADDRESS, content=TEXT)
    tag = (await client.get(ADDRESS)).headers["ETag"]
    mine = TEXT.replace("name: Works", "name: Mine")
    tried = await client.put(f"{ADDRESS}?dry_run=true", content=mine, headers={"If-Match": tag})
    assert tried.status_code == 200
    theirs = TEXT.replace("name: Works", "name: Theirs")
    assert (await client.put(ADDRESS, content=theirs, headers={"If-Match": tag})).json()["changes"]
    refused = await client.put(ADDRESS, content=mine, headers={"If-Match": tag})
    assert refused.status_code == 412
    assert refused.json()["type"] == "urn:tonne:problem:changed-meanwhile"
    assert "applied by someone without a key at" in refused.json()["detail"]
    assert (await client.get(ADDRESS)).text == theirs
    weak = {"If-Match": f"W/{(await client.get(ADDRESS)).headers['ETag']}"}
    assert (await client.put(ADDRESS, content=mine, headers=weak)).status_code == 200
    assert (await client.put(ADDRESS, content=mine, headers={"If-Match": "x"})).status_code == 422


async def test_a_facility_is_made_only_where_there_is_none(client: httpx.AsyncClient) -> None:
    new = {"If-None-Match": "*"}
    tried = await client.put(f"{ADDRESS}?dry_run=true", content=TEXT, headers=new)
    assert tried.status_code == 200
    assert (await client.put(ADDRESS, content=TEXT, headers=new)).status_code == 200
    for _ in ("in force", "retired"):
        refused = await client.put(
            ADDRESS, content=TEXT.replace("name: Works", "name: X"), headers=new
        )
        assert refused.status_code == 412
        assert "there is a facility works already" in refused.json()["detail"]
        assert (await client.delete(ADDRESS)).status_code == 200
    named = {"If-None-Match": '"0"'}
    assert (await client.put(ADDRESS, content=TEXT, headers=named)).status_code == 422


async def test_a_text_is_edited_in_place_and_nothing_is_applied(client: httpx.AsyncClient) -> None:
    edits = [
        {"op": "replace", "path": "/facility/name", "value": "New works"},
        {"op": "add", "path": "/thresholds", "value": [{"id": "hot", "measure": "rate"}]},
    ]
    after = (await client.post(f"{ADDRESS}/edit", json={"text": TEXT, "edits": edits})).json()
    added = "thresholds:\n  - {id: hot, measure: rate}\n"
    assert after["text"] == TEXT.replace("name: Works", "name: New works") + added
    assert after["document"]["facility"]["name"] == "New works"
    # a day is what is written
    assert after["document"]["factors"][0]["valid_from"] == "2020-01-01"
    assert (await client.get(ADDRESS)).status_code == 404
    wrong = {"text": TEXT, "edits": [{"op": "remove", "path": "/sources/9"}]}
    refused = await client.post(f"{ADDRESS}/edit", json=wrong)
    assert (refused.status_code, "no entry" in refused.json()["detail"]) == (422, True)
    refused = await client.post(f"{ADDRESS}/edit", json={"text": "a: ["})
    assert refused.json()["errors"][0]["line"] == 1


async def test_mistakes_are_told_with_their_places(client: httpx.AsyncClient) -> None:
    wrong = TEXT.replace(
        "quantity: power, unit: kW, kind: gauge", "quantity: power, unit: kW, knd: gauge"
    )
    checked = (await client.post(f"{ADDRESS}/check", content=wrong, headers=YAML)).json()
    (error,) = checked["errors"]
    line = wrong.splitlines()[error["line"] - 1]
    assert line[error["column"] - 1 :].startswith("knd:")
    assert error["path"] == "/devices/0/channels/1/knd"
    assert "did you mean kind?" in error["message"]
    refused = await client.put(ADDRESS, content=wrong)
    assert refused.json()["errors"] == checked["errors"]
    (error,) = (await client.post(f"{ADDRESS}/check", content="a: [1,\nb: {", headers=YAML)).json()[
        "errors"
    ]
    assert error["line"] > 0
    assert error["column"] > 0
    (error,) = (await client.post("/v1/facilities/other/check", content=TEXT, headers=YAML)).json()[
        "errors"
    ]
    assert error["message"] == "facility.id: the file names works, the address names other"
    assert (await client.post(f"{ADDRESS}/check", content=TEXT, headers=YAML)).json()[
        "errors"
    ] == []
    assert (await client.get("/v1/facilities")).json() == []


async def test_a_dry_run_announces_what_is_restated_and_writes_nothing(
    client: httpx.AsyncClient, connection: Connection, plant: Plant
) -> None:
    assert (await client.get(ADDRESS)).text.startswith(NOT_KEPT)
    await client.put(ADDRESS, content=TEXT)
    changed = TEXT.replace(
        "co2_kg: 0.2, valid_from: 2026-01-01", "co2_kg: 0.3, valid_from: 2026-01-01"
    )
    before = connection.execute(_STATE).fetchone()
    tried = (await client.put(f"{ADDRESS}?dry_run=true", content=changed)).json()
    assert connection.execute(_STATE).fetchone() == before
    assert tried["differences"] == [
        {"place": "factor f 2026-01-01, co2_kg", "before": "0.2", "after": "0.3"}
    ]
    announced = [_span(row) for row in tried["restatements"]]
    assert announced == [
        ("by-counter", "2026-11-20T10:00:00Z", "2026-11-20T13:00:00Z", 3),
        ("by-gauge", "2026-11-20T10:00:00Z", "2026-11-20T14:00:00Z", 4),
    ]
    applied = (await client.put(ADDRESS, content=changed)).json()
    assert [_span(row) for row in applied["restatements"]] == announced
    assert (applied["changes"], applied["sha256"]) == (tried["changes"], tried["sha256"])
    plant.tick(instant("2026-11-28T11:00:00Z"))
    restated = connection.execute(
        "SELECT s.slug, min(h.hour), max(h.hour) + interval '1 hour', count(*)::int"
        " FROM emission_hour h JOIN source s ON s.id = h.source_id WHERE h.version = 2"
        " GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [(slug, f"{a:%FT%TZ}", f"{b:%FT%TZ}", hours) for slug, a, b, hours in restated] == (
        announced
    )


def _span(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["source"], row["from"], row["to"], row["hours"]


async def test_whoever_may_not_configure_neither_reads_nor_tries_a_file(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    reader = bearer(keys.create(connection, name="r", scopes=["read"]))
    chief = bearer(keys.create(connection, name="c", scopes=["write"]))
    await guarded.put(ADDRESS, content=TEXT, headers=chief)
    graz = TEXT.replace("id: works", "id: graz")
    await guarded.put("/v1/facilities/graz", content=graz, headers=chief)
    other = bearer(keys.create(connection, name="o", scopes=["write"], facilities=["graz"]))
    calls = [
        ("GET", ADDRESS), ("PUT", f"{ADDRESS}?dry_run=true"), ("POST", f"{ADDRESS}/check"),
        ("GET", f"{ADDRESS}/versions"), ("GET", f"{ADDRESS}/versions/1"),
        ("GET", f"{ADDRESS}/versions/1/difference"),
    ]  # fmt: skip
    for method, address in calls:
        body = None if method == "GET" else TEXT
        for key, status in ((reader, 403), (other, 404), (chief, 200)):
            answer = await guarded.request(method, address, content=body, headers={**YAML, **key})
            assert answer.status_code == status, (method, address, answer.text)


async def test_factors_of_a_facility_are_its_own_and_those_that_it_uses(
    client: httpx.AsyncClient,
) -> None:
    gas = "  - {id: gas, scope: 1, method: activity, input: meter.energy, factor: natural-gas-gb}\n"
    text = TEXT.replace("  - id: stack\n", f"{gas}  - id: stack\n")
    assert (await client.put(ADDRESS, content=text)).status_code == 200
    rows = (await client.get(f"{ADDRESS}/factors")).json()
    own = [row for row in rows if row["in_file"]]
    assert [(row["factor"], row["co2_kg"], row["valid_from"], row["valid_to"]) for row in own] == [
        ("f", 0.25, "2020-01-01", "2026-01-01"),
        ("f", 0.2, "2026-01-01", None),
    ]
    assert own[0]["sources"] == ["by-counter", "by-gauge", "by-interval"]
    others = [row for row in rows if not row["in_file"]]
    assert {row["factor"] for row in others} == {"natural-gas-gb"}
    assert all(row["sources"] == ["gas"] and row["citation"] for row in others)
