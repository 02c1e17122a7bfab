from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from tests.forked import Forked
from tests.integration.api.plant import found
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S
from tests.services import as_login, free_port

Connection = psycopg.Connection[Any]

CALLS = (
    "/v1/facilities",
    "/v1/live?facility=linz",
    "/v1/stream?facility=linz",
    "/v1/emissions",
    "/v1/readings",
    "/v1/quarantine",
    "/v1/explain?facility=linz&source=stack-1&hour=2026-11-23T10:00:00Z",
)


@pytest.fixture
async def guarded(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that requires keys."""
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")))
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield client


def bearer(key: str) -> dict[str, str]:
    # of one id, so that answers are compared as they are
    return {"Authorization": f"Bearer {key}", "X-Request-ID": "of-the-test"}


async def status(client: httpx.AsyncClient, key: str, path: str = "/v1/facilities") -> int:
    return (await client.get(path, headers=bearer(key))).status_code


@pytest.mark.parametrize("path", CALLS)
async def test_every_call_wants_a_key(guarded: httpx.AsyncClient, path: str) -> None:
    for headers in (
        {},
        bearer("tonne_wrong"),
        {"Authorization": "Basic dTpw"},
        {"Authorization": "Bearer"},
    ):
        response = await guarded.get(path, headers=headers)
        assert response.status_code == 401, headers
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["type"] == "urn:tonne:problem:unauthenticated"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/v1/openapi.json"])
async def test_what_tells_nothing_of_a_facility_needs_no_key(
    guarded: httpx.AsyncClient, path: str
) -> None:
    assert (await guarded.get(path)).status_code in {200, 503}


async def test_keys_are_stored_as_digests_only(connection: Connection) -> None:
    key = keys.create(connection, name="grafana")
    row = connection.execute("SELECT to_jsonb(api_key) #>> '{}' FROM api_key").fetchone()
    assert row is not None
    assert key not in row[0]
    assert key.removeprefix("tonne_") not in row[0]
    # 256 bits in base64
    assert len(key.removeprefix("tonne_")) == 43


async def test_scopes_decide_what_a_key_may(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    read = keys.create(connection, name="r", scopes=["read"])
    write = keys.create(connection, name="w", scopes=["write"])
    admin = keys.create(connection, name="a", scopes=["admin"])
    assert [await status(guarded, key) for key in (read, write, admin)] == [200, 403, 200]
    put = [
        (await guarded.put("/v1/facilities/linz", content=b"{}", headers=bearer(key))).status_code
        for key in (read, write, admin)
    ]
    assert put == [403, 422, 422]


async def test_a_key_ends_when_it_expires_or_is_revoked(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    now = datetime.now(UTC)
    old = keys.create(connection, name="old", expires_at=now - timedelta(seconds=1))
    good = keys.create(connection, name="good", expires_at=now + timedelta(hours=1))
    assert [await status(guarded, key) for key in (old, good)] == [401, 200]
    (listed,) = [key for key in keys.list_keys(connection) if key.name == "good"]
    keys.revoke(connection, listed.id)
    assert await status(guarded, good) == 401
    assert keys.list_keys(connection)[-1].revoked_at is not None


async def test_a_facility_outside_the_limit_answers_as_one_that_does_not_exist(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    found(connection, "graz")
    key = keys.create(connection, name="graz only", facilities=["graz"])
    listed = (await guarded.get("/v1/facilities", headers=bearer(key))).json()
    assert [facility["id"] for facility in listed] == ["graz"]
    rows = (await guarded.get("/v1/emissions", headers=bearer(key))).json()
    assert {row["facility"] for row in rows} == {"graz"}
    for path in (
        "/v1/live?facility={}",
        "/v1/stream?facility={}",
        "/v1/emissions?facility={}",
        "/v1/readings?facility={}",
        "/v1/quarantine?facility={}",
        "/v1/explain?facility={}&source=stack-1&hour=2026-11-23T10:00:00Z",
    ):
        hidden = await guarded.get(path.format("linz"), headers=bearer(key))
        absent = await guarded.get(path.format("nowhere"), headers=bearer(key))
        assert hidden.status_code == absent.status_code == 404, path
        assert hidden.text.replace("linz", "nowhere") == absent.text


async def test_a_limited_key_sees_only_the_quarantine_of_its_facilities(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    found(connection, "graz")
    for facility in ("linz", "graz", None):
        connection.execute(
            "INSERT INTO quarantine (reason, detail, topic, payload, facility)"
            " VALUES ('not-json', 'send JSON', 't', '', %s)",
            (facility,),
        )
    limited = keys.create(connection, name="graz only", facilities=["graz"])
    everyone = keys.create(connection, name="all")
    seen = {
        key: [
            row["facility"]
            for row in (await guarded.get("/v1/quarantine", headers=bearer(key))).json()
        ]
        for key in (limited, everyone)
    }
    assert seen == {limited: ["graz"], everyone: [None, "graz", "linz"]}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"scopes": ["root"]}, "root"),
        ({"scopes": []}, "none"),
        ({"facilities": ["nowhere"]}, "nowhere"),
        ({"facilities": []}, "apply"),
        ({"expires_at": datetime(2027, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is refused
    ],
)
def test_a_key_that_cannot_be_is_refused(
    connection: Connection, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(keys.KeyRequestError, match=says):
        keys.create(connection, name="wrong", **given)
    with pytest.raises(keys.KeyRequestError, match="no key 4711"):
        keys.revoke(connection, 4711)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"TONNE_API_AUTH": "off", "TONNE_API_HOST": "0.0.0.0"}, "TONNE_API_AUTH=off"),  # noqa: S104 - it must not
        ({"TONNE_API_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1 port 8000"),
    ],
)
def test_where_it_must_not_or_cannot_listen_it_does_not_start(
    tmp_path: Path, given: dict[str, str], says: str
) -> None:
    log = tmp_path / "log"
    # nobody is there: it would serve what needs no database
    database = f"postgresql://127.0.0.1:{free_port()}/nowhere"
    with log.open("wb") as written:
        process = Forked(
            ["api"],
            environment={"TONNE_DATABASE_URL": database, **given},
            stdout=written.fileno(),
        )
    assert process.wait(PATIENCE_S) != 0
    said = log.read_text()
    assert says in said
    assert "Traceback" not in said


async def test_without_authentication_only_this_machines_names_are_answered(
    client: httpx.AsyncClient,
) -> None:
    port = client.base_url.port
    for host, expected in (
        (f"127.0.0.1:{port}", 200),
        ("localhost", 200),
        (f"[::1]:{port}", 200),
        ("attacker.example", 421),
        (f"127.0.0.1.attacker.example:{port}", 421),
    ):
        response = await client.get("/healthz", headers={"Host": host})
        assert response.status_code == expected, host
