"""People sign in, are known by their session, and may do what their roles say, and where."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from services.core.store.people import passwords, sessions
from services.core.store.people.roles import OF_ROLE, RIGHTS
from tests.command import tonne
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import found
from tests.integration.api.server import serving
from tests.integration.api.test_auth import bearer, guarded
from tests.patience import PATIENCE_S
from tests.services import as_login

__all__ = ["guarded"]

Connection = psycopg.Connection[Any]

PASSWORD = "four words make one"
FILE = """
facility: {{id: {id}, name: {id}, timezone: UTC}}
devices: [{{id: m, channels: [{{id: e, quantity: energy, unit: kWh, kind: counter}}]}}]
"""

AS_SHIPPED = passwords._HASHER

#: What a browser says of a request of our own page.
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def _passwords_are_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dozens of them are hashed here, each a fifth of a second of a processor as it should be."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64))
    passwords._nobodys.cache_clear()


def user(url: str, name: str, *options: str) -> None:
    """Make an account, as an administrator does."""
    made = tonne(
        as_login(url, "tonne_admin"),
        *("users", "create", name, "--password-stdin", *options),
        asked=f"{PASSWORD}\n",
    )
    assert made.code == 0, made.said


async def sign_in(
    client: httpx.AsyncClient, name: str, password: str = PASSWORD, **headers: str
) -> httpx.Response:
    body = {"name": name, "password": password}
    return await client.post("/v1/sign-in", json=body, headers={**OWN, **headers})


async def test_a_session_is_a_cookie_that_no_script_reads_and_ends_at_sign_out(
    guarded: httpx.AsyncClient, connection: Connection, database_url: str
) -> None:
    found(connection, "linz")
    user(database_url, "anna", "--role", "operator", "--full-name", "Anna Berger")
    assert (await guarded.get("/v1/facilities")).json()["detail"].endswith("sign in at /login.")
    answer = await sign_in(guarded, " Anna ")
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert re.search(r"^tonne=.*HttpOnly.*SameSite=lax", cookie)
    assert (await guarded.get("/v1/facilities")).status_code == 200
    me = (await guarded.get("/v1/me")).json()
    assert (me["kind"], me["name"], me["full_name"], me["local"]) == (
        "person", "anna", "Anna Berger", True,
    )  # fmt: skip
    assert me["allowed"] == [{"rights": ["operate", "read", "send"], "facilities": None}]
    token = guarded.cookies["tonne"]
    stored = connection.execute("SELECT s::text FROM person_session s").fetchall()
    assert token not in str(stored)

    assert (await guarded.post("/v1/sign-out", json={}, headers=OWN)).status_code == 204
    assert "tonne" not in guarded.cookies
    ended = await guarded.get("/v1/facilities", headers={"Cookie": f"tonne={token}"})
    assert (ended.status_code, ended.json()["detail"]) == (
        401, "Your session ended; sign in again.",
    )  # fmt: skip
    actions = connection.execute(
        "SELECT action, made_by, address FROM audit_entry WHERE action LIKE 'session.%' ORDER BY id"
    ).fetchall()
    assert actions == [
        ("session.begin", "person anna", "127.0.0.1"),
        ("session.end", "person anna", "127.0.0.1"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE person_session SET used_at = now() - interval '12 hours'",
        "UPDATE person_session SET expires_at = now()",
        "UPDATE person_session SET ended_at = now()",
        "UPDATE person SET disabled_at = now()",
    ],
)
async def test_a_session_that_is_over_says_so(
    guarded: httpx.AsyncClient, connection: Connection, database_url: str, change: LiteralString
) -> None:
    user(database_url, "anna")
    await sign_in(guarded, "anna")
    assert (await guarded.get("/v1/facilities")).status_code == 200
    connection.execute(change)
    # a page that was left open asks on; that is no attempt at guessing a key
    for _ in range(Settings.model_fields["api_wrong_keys_per_minute"].default + 1):
        answer = await guarded.get("/v1/facilities")
        problem = (answer.status_code, answer.json()["type"])
        assert problem == (401, "urn:tonne:problem:session-ended")


async def test_wrong_passwords_and_unknown_names_are_told_alike(
    guarded: httpx.AsyncClient, connection: Connection, database_url: str
) -> None:
    user(database_url, "anna")
    answers = [await sign_in(guarded, name, "not the password") for name in ("anna", "nobody")]
    told = [answer.json() for answer in answers]
    assert len({each.pop("request_id") for each in told}) == 2
    assert told[0] == told[1]
    assert answers[0].json()["detail"] == "The name or the password is wrong."
    assert {answer.status_code for answer in answers} == {401}
    refused = connection.execute(
        "SELECT subject FROM audit_entry WHERE action = 'session.refuse' ORDER BY id"
    ).fetchall()
    assert refused == [("anna",), ("nobody",)]


async def test_attempts_to_sign_in_are_limited(database_url: str) -> None:
    user(database_url, "anna")
    settings = Settings(
        database_url=SecretStr(as_login(database_url, "tonne_api")), api_sign_ins_per_minute=1
    )
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        # one that is right costs nothing
        assert (await sign_in(client, "anna")).status_code == 204
        assert (await sign_in(client, "anna", "wrong")).status_code == 401
        refused = await sign_in(client, "anna")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0


async def test_attempts_count_for_the_account_and_for_the_address(database_url: str) -> None:
    """Neither many addresses at one account nor one address at many accounts guess on."""
    for name in ("anna", "berta", "carla"):
        user(database_url, name)
    settings = Settings(
        database_url=SecretStr(as_login(database_url, "tonne_api")),
        api_sign_ins_per_minute=1,
        api_trusted_proxies="127.0.0.1",
    )
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):

        async def status(name: str, comes_from: str, *password: str) -> int:
            client.headers["X-Forwarded-For"] = comes_from
            return (await sign_in(client, name, *password)).status_code

        assert await status("anna", "192.0.2.1", "wrong") == 401
        assert await status("anna", "192.0.2.2") == 429
        # the name is the same, however it is written
        assert await status("ANNA", "192.0.2.3") == 429
        assert await status("berta", "192.0.2.1") == 429
        assert await status("carla", "192.0.2.4") == 204


async def test_no_other_website_changes_anything_with_a_session(
    guarded: httpx.AsyncClient, database_url: str
) -> None:
    apply_text(database_url, FILE.format(id="linz"))
    user(database_url, "anna", "--role", "admin")
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert (await sign_in(guarded, "anna", **foreign)).status_code == 403
    await sign_in(guarded, "anna")
    body = {"measure": "rate", "above": 10, "severity": "warning"}
    for headers in ({}, foreign, {"Origin": "https://elsewhere.example"}):
        answer = await guarded.put("/v1/thresholds/high", json=body, headers=headers)
        assert answer.json()["type"] == "urn:tonne:problem:cross-site", headers
    host = str(guarded.base_url).rstrip("/")
    for headers in (OWN, {"Origin": host}):
        answer = await guarded.put("/v1/thresholds/high", json=body, headers=headers)
        assert answer.status_code == 200, answer.text


async def test_roles_hold_where_they_were_given(
    guarded: httpx.AsyncClient, database_url: str
) -> None:
    for slug in ("linz", "graz", "wels"):
        apply_text(database_url, FILE.format(id=slug))
    user(database_url, "anna", "--role", "viewer", "--facility", "linz", "--facility", "graz")
    url = as_login(database_url, "tonne_admin")
    given = tonne(url, "users", "role", "anna", "engineer", "--facility", "graz")
    assert "engineer of graz, viewer of graz, linz" in given.said
    await sign_in(guarded, "anna")
    listed = (await guarded.get("/v1/facilities")).json()
    assert [row["id"] for row in listed] == ["graz", "linz"]
    body = {"measure": "rate", "above": 10, "severity": "warning"}

    async def put(slug: str) -> httpx.Response:
        return await guarded.put(f"/v1/thresholds/high?facility={slug}", json=body, headers=OWN)

    assert (await put("graz")).status_code == 200
    refused = await put("linz")
    assert (refused.status_code, refused.json()["detail"]) == (
        403, "In linz you may read, and not do what this call does.",
    )  # fmt: skip
    assert (await put("wels")).status_code == 404
    assert (await guarded.get("/v1/audit")).status_code == 403
    assert tonne(url, "users", "role", "anna", "engineer", "--take").code == 0
    assert (await put("graz")).json()["detail"] == (
        "This call needs a key with the scope `write`, or the role `engineer`."
    )


async def test_one_changes_ones_password_and_other_sessions_end(
    guarded: httpx.AsyncClient, database_url: str
) -> None:
    user(database_url, "anna")
    await sign_in(guarded, "anna")
    other = {"Cookie": f"tonne={guarded.cookies['tonne']}"}
    guarded.cookies.clear()
    await sign_in(guarded, "anna")

    async def change(old: str, new: str) -> httpx.Response:
        return await guarded.put("/v1/me/password", json={"old": old, "new": new}, headers=OWN)

    short = await change(PASSWORD, "short")
    assert (short.status_code, "15 to 256 characters" in short.text) == (422, True)
    assert (await change("not the password", "another four words")).status_code == 401
    assert (await change(PASSWORD, "another four words")).status_code == 204
    assert (await guarded.get("/v1/me")).status_code == 200
    guarded.cookies.clear()
    assert (await guarded.get("/v1/me", headers=other)).status_code == 401
    assert (await sign_in(guarded, "anna")).status_code == 401
    assert (await sign_in(guarded, "anna", "another four words")).status_code == 204


async def test_sessions_and_keys_end_with_the_account(
    guarded: httpx.AsyncClient, database_url: str
) -> None:
    user(database_url, "anna")
    url = as_login(database_url, "tonne_admin")
    made = tonne(url, "keys", "create", "laptop", "--owner", "anna")
    key = bearer(made.stdout.strip())
    await sign_in(guarded, "anna")
    assert (await guarded.get("/v1/facilities", headers=key)).status_code == 200
    assert tonne(url, "users", "disable", "anna").code == 0
    assert (await guarded.get("/v1/facilities")).status_code == 401
    assert (await guarded.get("/v1/facilities", headers=key)).status_code == 401
    assert (await sign_in(guarded, "anna")).json()["detail"] == "The name or the password is wrong."
    assert tonne(url, "users", "enable", "anna").code == 0
    assert (await guarded.get("/v1/facilities", headers=key)).status_code == 200
    assert (await guarded.get("/v1/facilities")).status_code == 401


async def test_keys_and_sessions_show_their_last_use(
    connection: Connection, database_url: str
) -> None:
    user(database_url, "anna")
    key = bearer(keys.create(connection, name="laptop", owner="anna"))
    keys.create(connection, name="unused")
    app = create_app(Settings(database_url=SecretStr(as_login(database_url, "tonne_api"))))
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        await sign_in(client, "anna")
        connection.execute("UPDATE person_session SET used_at = now() - interval '1 hour'")
        for headers in ({}, key):
            assert (await client.get("/v1/facilities", headers=headers)).status_code == 200
        assert {key.used_at for key in keys.list_keys(connection)} == {None}
        await app.state.context.uses.write()
    laptop, unused = keys.list_keys(connection)
    assert (laptop.owner, laptop.address, unused.owner, unused.used_at) == (
        "anna", "127.0.0.1", None, None,
    )  # fmt: skip
    (fresh,) = connection.execute(
        "SELECT min(used_at) > now() - interval '10 minutes'"
        " FROM (SELECT used_at FROM person_session UNION ALL SELECT used_at FROM api_key_use) u"
    ).fetchone() or (False,)
    assert fresh
    assert "anna" in tonne(as_login(database_url, "tonne_admin"), "keys", "list").stdout


def test_the_password_is_checked_for_its_length_and_stored_as_argon2(
    connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", AS_SHIPPED)
    url = as_login(database_url, "tonne_admin")
    short = tonne(url, "users", "create", "anna", "--password-stdin", asked="0123456789abcd\n")
    assert (short.code, "15 to 256 characters" in short.said) == (1, True)
    user(database_url, "anna")
    again = tonne(url, "users", "create", "Anna", "--password-stdin", asked=f"{PASSWORD}\n")
    assert "there is an account anna already" in again.said
    (stored,) = connection.execute("SELECT hash FROM person_password").fetchone() or ("",)
    # RFC 9106, 4: the second recommended option
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.is_password(PASSWORD, stored)
    assert not passwords.is_outdated(stored)
    for login in ("tonne_ingest", "tonne_aggregate", "tonne_notify", "tonne_read"):
        (may,) = connection.execute(
            "SELECT has_table_privilege(%s, 'person_password', 'SELECT')", (login,)
        ).fetchone() or (True,)
        assert not may, login


def test_an_admin_may_do_all_and_each_role_what_the_one_before_it_may() -> None:
    assert OF_ROLE["admin"] == set(RIGHTS)
    ordered = [OF_ROLE[role] for role in ("viewer", "operator", "engineer", "admin")]
    assert all(less < more for less, more in pairwise(ordered))
    assert sessions.IDLE_S < sessions.LIFE_S
