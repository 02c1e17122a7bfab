"""The audit log: complete, in the transaction of the change, and only ever added to."""

from __future__ import annotations

import csv
import getpass
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.core.store.audit.actions import ACTIONS, MEANINGS
from services.core.store.audit.record import record
from services.core.store.operations import keys
from tests.command import tonne
from tests.integration.api.test_auth import bearer, guarded
from tests.services import as_login

__all__ = ["guarded"]

Connection = psycopg.Connection[Any]

_FILE = """\
facility: {{id: {id}, name: {name}, timezone: UTC}}
devices:
  - id: meter
    channels: [{{id: energy, quantity: energy, unit: kWh, kind: counter}}]
"""


@pytest.mark.parametrize("login", ["tonne_api", "tonne_admin", "tonne_ingest", "tonne_aggregate"])
def test_logins_add_entries_and_cannot_change_one_or_choose_who_they_are(
    connection: Connection, database_url: str, login: str
) -> None:
    with psycopg.connect(as_login(database_url, login), autocommit=True) as other:
        if login not in {"tonne_api", "tonne_ingest"}:
            # only the API speaks for other machines, and ingest, to which it hands corrections
            other.execute("SET tonne.address = '10.0.0.9'")
        record(other, "key.create", by="key works")
        other.execute(
            "INSERT INTO audit_entry (made_at, made_by, login, address, action, subject)"
            " VALUES ('2001-01-01', 'x', 'somebody', '10.0.0.1', 'key.create', '')"
        )
        for statement in (
            "UPDATE audit_entry SET made_by = 'nobody'",
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                other.execute(statement)  # type: ignore[call-overload]
    rows = connection.execute(
        "SELECT login, address, made_at > now() - interval '1 hour' FROM audit_entry"
    ).fetchall()
    assert {row[0] for row in rows} == {login}
    assert {row[1] for row in rows} <= {"127.0.0.1", "::1", "this machine"}
    assert all(row[2] for row in rows)


def test_the_owner_changes_no_entry_either(connection: Connection) -> None:
    record(connection, "key.create", by=None)
    (by,) = connection.execute("SELECT made_by FROM audit_entry").fetchone() or (None,)
    (login,) = connection.execute("SELECT session_user").fetchone() or (None,)
    assert by == f"login {login}"
    for statement in (
        "UPDATE audit_entry SET made_by = 'nobody'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="neither changed"):
            connection.execute(statement)  # type: ignore[call-overload]


async def test_calls_leave_entries_that_an_admin_reads(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    admin = bearer(keys.create(connection, name="chief", scopes=["admin"]))
    for name in ("works", "new works"):
        answer = await guarded.put(
            "/v1/facilities/linz", content=_FILE.format(id="linz", name=name), headers=admin
        )
        assert answer.status_code == 200, answer.text
    trial = await guarded.put(
        "/v1/facilities/linz?dry_run=true",
        content=_FILE.format(id="linz", name="tried only"),
        headers=admin,
    )
    assert trial.status_code == 200
    stated = {"measure": "rate", "above": 10, "severity": "warning"}
    await guarded.put("/v1/thresholds/high", json=stated, headers=admin)
    await guarded.put("/v1/thresholds/high", json={**stated, "above": 20}, headers=admin)
    await guarded.delete("/v1/thresholds/high", headers=admin)
    await guarded.delete("/v1/facilities/linz?reason=sold", headers=admin)

    rows = (await guarded.get("/v1/audit", headers=admin)).json()
    assert [row["action"] for row in rows] == [
        "facility.retire",
        "threshold.delete",
        "threshold.put",
        "threshold.put",
        "facility.apply",
        "facility.apply",
        "key.create",
    ]
    assert {row["by"] for row in rows[:-1]} == {"key chief"}
    assert {(row["address"], row["login"]) for row in rows[:-1]} == {("127.0.0.1", "tonne_api")}
    assert rows[0]["reason"] == "sold"
    assert json.loads(rows[1]["before"]) == json.loads(rows[2]["after"])
    assert json.loads(rows[2]["before"])["spec"]["above"] == 10
    assert json.loads(rows[2]["after"])["spec"]["above"] == 20
    first, second = json.loads(rows[5]["after"]), json.loads(rows[4]["after"])
    assert rows[5]["before"] is None
    assert json.loads(rows[4]["before"])["sha256"] == first["sha256"]
    assert "+facility: {id: linz, name: new works, timezone: UTC}" in second["difference"]
    assert "tried only" not in str(rows)


async def test_the_log_is_filtered_paged_and_limited(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    admin = bearer(keys.create(connection, name="chief", scopes=["admin"]))
    for slug in ("linz", "graz"):
        await guarded.put(
            f"/v1/facilities/{slug}", content=_FILE.format(id=slug, name=slug), headers=admin
        )
    limited = bearer(keys.create(connection, name="graz", scopes=["admin"], facilities=["graz"]))
    writer = bearer(keys.create(connection, name="w", scopes=["write"]))

    async def rows(query: str, headers: dict[str, str] = admin) -> list[tuple[str, str]]:
        listed = (await guarded.get(f"/v1/audit?{query}", headers=headers)).json()
        return [(row["action"], row["subject"]) for row in listed]

    assert await rows("action=facility.apply") == [
        ("facility.apply", "graz"),
        ("facility.apply", "linz"),
    ]
    assert await rows("facility=linz&by=key chief") == [("facility.apply", "linz")]
    assert await rows("to=now-1d") == []
    assert await rows("", limited) == [("facility.apply", "graz")]
    assert (await guarded.get("/v1/audit?facility=linz", headers=limited)).status_code == 404
    assert (await guarded.get("/v1/audit", headers=writer)).status_code == 403

    page = await guarded.get("/v1/audit?limit=2", headers=admin)
    rest = await guarded.get(page.links["next"]["url"], headers=admin)
    numbers = [row["id"] for row in [*page.json(), *rest.json()]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 4
    text = (await guarded.get("/v1/audit?format=csv&action=key.create", headers=admin)).text
    assert next(row["by"] for row in csv.DictReader(io.StringIO(text))).startswith("login ")


def test_commands_are_recorded_with_their_user(connection: Connection, database_url: str) -> None:
    url = as_login(database_url, "tonne_admin")
    assert tonne(url, "keys", "create", "screen").code == 0
    (key,) = keys.list_keys(connection)
    assert tonne(url, "keys", "revoke", key.id).code == 0
    assert tonne(url, "keys", "revoke", key.id).code == 0
    entries = connection.execute(
        "SELECT action, subject, made_by, login, before, after FROM audit_entry ORDER BY id"
    ).fetchall()
    assert [entry[:4] for entry in entries] == [
        (action, str(key.id), f"user {getpass.getuser()}", "tonne_admin")
        for action in ("key.create", "key.revoke")
    ]
    assert entries[0][5]["name"] == "screen"
    assert "digest" not in str(entries)


def test_an_exported_file_and_imported_factors_are_recorded(
    connection: Connection, database_url: str, tmp_path: Path
) -> None:
    url = as_login(database_url, "tonne_admin")
    file, factors = tmp_path / "graz.yaml", tmp_path / "factors.csv"
    file.write_text(_FILE.format(id="graz", name="works"), encoding="utf-8")
    factors.write_text(
        "id,unit,co2_kg,citation\nbio-oil,kWh,0.21,measured 2026\n", encoding="utf-8"
    )
    assert tonne(url, "apply", file).code == 0
    assert tonne(url, "export", "no-such").code != 0
    assert tonne(url, "export", "graz").stdout == file.read_text(encoding="utf-8")
    for _ in range(2):
        # what is known already is imported again, and changes nothing
        assert tonne(url, "factors", "import", factors).code == 0
    entries = connection.execute(
        "SELECT action, facility, subject, made_by, login, before, after FROM audit_entry"
        " WHERE action IN ('facility.export', 'factor.import') ORDER BY id"
    ).fetchall()
    who = (f"user {getpass.getuser()}", "tonne_admin")
    assert [entry[:5] for entry in entries] == [
        ("facility.export", "graz", "graz", *who),
        ("factor.import", None, "", *who),
    ]
    assert "bio-oil" in json.dumps(entries[1][6]["changes"])


async def test_who_takes_a_copy_of_a_facility_file_is_recorded_once_a_day(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    writers = [
        bearer(keys.create(connection, name=name, scopes=["write"])) for name in ("one", "other")
    ]
    texts = [_FILE.format(id="linz", name=name) for name in ("works", "new works")]
    for text in texts:
        await guarded.put("/v1/facilities/linz", content=text, headers=writers[0])
        # a page that is open asks again and again
        for _ in range(3):
            assert (await guarded.get("/v1/facilities/linz", headers=writers[0])).text == text
    versions = "/v1/facilities/linz/versions"
    assert (await guarded.get(f"{versions}/1", headers=writers[1])).text == texts[0]
    await guarded.get(f"{versions}/2/difference", headers=writers[1])
    await guarded.get(f"{versions}/2/difference?since=0", headers=writers[1])
    # whoever may not read it gets none, and says none
    reader = bearer(keys.create(connection, name="reader", scopes=["read"]))
    assert (await guarded.get("/v1/facilities/linz", headers=reader)).status_code == 403
    entries = connection.execute(
        "SELECT made_by, facility, subject, address, after FROM audit_entry"
        " WHERE action = 'facility.export' ORDER BY id"
    ).fetchall()
    assert [(*entry[:4], entry[4]["sha256"]) for entry in entries] == [
        (f"key {name}", "linz", "linz", "127.0.0.1", hashlib.sha256(text.encode()).hexdigest())
        for name, text in (
            ("one", texts[0]),
            ("one", texts[1]),
            ("other", texts[0]),
            ("other", texts[1]),
        )
    ]


def test_every_action_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ACTIONS)
