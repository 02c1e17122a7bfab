"""What is refused is tried again through the API: asked for here, done by a real ingest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.api.models.quarantine import Replay
from services.api.routes import replay as routes
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from tests.integration.api.plant import found
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S
from tests.services import as_login

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def _waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ingest is there that a call could wait for."""
    monkeypatch.setattr(routes, "_WAIT_S", 0.0)


@pytest.fixture
async def guarded(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that requires keys."""
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")))
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield client


def bearer(connection: Connection, *scopes: str, facility: str | None = None) -> dict[str, str]:
    key = keys.create(
        connection, name="desk", scopes=scopes, facilities=[facility] if facility else None
    )
    return {"Authorization": f"Bearer {key}"}


def refuse(connection: Connection, facility: str) -> int:
    row = connection.execute(
        "INSERT INTO quarantine (reason, detail, topic, payload, facility, device)"
        " VALUES ('malformed_json', '', 't', '{', %s, 'm') RETURNING id",
        (facility,),
    ).fetchone()
    assert row is not None
    return int(row[0])


async def replay(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, **body: Any
) -> dict[str, Any]:
    response = await client.post("/v1/quarantine/replay", json=body, headers=headers)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    if status < 300:
        Replay.model_validate(answer)
        assert response.headers["Location"] == f"/v1/quarantine/replay/{answer['id']}"
    return answer


async def test_it_waits_for_ingest_and_tells_how_far_it_is(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    refuse(connection, "linz")
    writer, reader = bearer(connection, "write"), bearer(connection, "read")
    asked = await replay(guarded, writer, 202, accept=True, note="by hand")
    assert (asked["state"], asked["entries"], asked["tried"]) == ("waiting", 1, 0)
    assert (asked["requested_by"], asked["accept"], asked["note"]) == ("key desk", True, "by hand")
    connection.execute(
        "UPDATE replay_request SET tried = 1, refused = %s, finished_at = now()",
        (json.dumps({"malformed_json": 1}),),
    )
    seen = await guarded.get(f"/v1/quarantine/replay/{asked['id']}", headers=reader)
    Replay.model_validate(seen.json())
    assert (seen.json()["state"], seen.json()["refused"]) == ("done", {"malformed_json": 1})
    assert (await guarded.get("/v1/quarantine/replay/99", headers=reader)).status_code == 404


async def test_it_answers_at_once_when_ingest_is_quick(
    guarded: httpx.AsyncClient, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_WAIT_S", PATIENCE_S)
    refuse(connection, "linz")
    asked = asyncio.create_task(replay(guarded, bearer(connection, "write"), 200))
    async with asyncio.timeout(PATIENCE_S):
        while not connection.execute(  # noqa: ASYNC110 - nothing tells when the row is there
            "UPDATE replay_request SET tried = 1, restored = 1, finished_at = now()"
        ).rowcount:
            await asyncio.sleep(0.01)
    assert (await asked)["state"] == "done"


async def test_nothing_to_try_is_done_at_once(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    answer = await replay(guarded, bearer(connection, "write"), 200, reason=["conflict"])
    assert (answer["state"], answer["entries"]) == ("done", 0)


async def test_it_needs_the_right_to_write(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    await replay(guarded, {}, 401)
    await replay(guarded, bearer(connection, "read"), 403)


async def test_a_key_reaches_its_own_facilities_only(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    found(connection, "wels")
    mine, other = refuse(connection, "linz"), refuse(connection, "wels")
    refuse(connection, "linz")
    limited = bearer(connection, "write", "read", facility="linz")
    assert "wels" in (await replay(guarded, limited, 404, facility=["wels"]))["detail"]
    assert str(other) in (await replay(guarded, limited, 404, ids=[mine, other]))["detail"]
    assert (await replay(guarded, limited, 202, ids=[mine]))["entries"] == 1
    all_of_mine = await replay(guarded, limited, 202)
    assert all_of_mine["entries"] == 2
    assert connection.execute(
        "SELECT facilities FROM replay_request ORDER BY id DESC LIMIT 1"
    ).fetchone() == (["linz"],)
    everything = await replay(guarded, bearer(connection, "write"), 202)
    assert everything["entries"] == 3
    for asked, status in ((all_of_mine, 200), (everything, 404)):
        answer = await guarded.get(f"/v1/quarantine/replay/{asked['id']}", headers=limited)
        assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [{"ids": []}, {"ids": [0]}, {"ids": [1 << 63]}, {"all": True}, {"from": "soon"}, {"note": ""}],
)
async def test_a_body_that_says_nothing_clear_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    response = await client.post("/v1/quarantine/replay", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"]
