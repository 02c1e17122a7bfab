"""``HEAD`` of every call, page and file: the head of ``GET``, and nothing after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.api.specification import PATH
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from tests.integration.api.server import serving
from tests.integration.api.test_auth import bearer
from tests.integration.api.test_limited_keys import NAMES, NEEDED, hidden
from tests.patience import PATIENCE_S
from tests.services import as_login

__all__ = ["hidden"]

Connection = psycopg.Connection[Any]

#: What two answers never share.
_OF_EACH = frozenset({"date", "x-request-id"})
#: Its body tells what was asked before: it may be of another length.
_OF_THE_MOMENT = "/metrics"
#: Not in the specification: pages, files, and what is not there.
_PAGES = (
    "/",
    "/facilities",
    "/healthz",
    "/readyz",
    "/metrics",
    "/assets/common.css",
    "/docs/index.html",
    "/docs/nothing",
    "/nothing",
    "/v1/readings/nothing",
)
_STREAM = "/v1/stream"


@pytest.fixture
async def guarded(database_url: str, clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that requires keys, and whose answers tell one time."""
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")))
    async with (
        serving(create_app(settings, clock=clock)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield client


def _calls() -> Iterator[tuple[str, dict[str, str]]]:
    """Every path of the specification that can be got, with names of what there is."""
    for path, methods in json.loads(PATH.read_text(encoding="utf-8"))["paths"].items():
        if "get" not in methods:
            continue
        parameters = methods["get"].get("parameters", [])
        parts = {p["name"]: NAMES[p["name"]][0] for p in parameters if p["in"] == "path"}
        query = {
            p["name"]: NEEDED.get(p["name"]) or NAMES[p["name"]][0]
            for p in parameters
            if p["in"] == "query"
            and (p.get("required") or p["name"] == "facility")
            and p["name"] in {*NAMES, *NEEDED}
        }
        yield path.format(**parts), query


def _head(path: str, response: httpx.Response) -> dict[str, str]:
    head = {name: value for name, value in response.headers.items() if name not in _OF_EACH}
    if path == _OF_THE_MOMENT:
        head["content-length"] = "any"
    return head


async def _got(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> httpx.Response:
    """Get a path, of a stream no more than its head."""
    async with client.stream("GET", path, params=query) as response:
        if path != _STREAM:
            await response.aread()
        return response


@pytest.mark.usefixtures("hidden")
async def test_head_has_the_head_of_get_and_no_body(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    guarded.headers.update(bearer(keys.create(connection, name="all", scopes=["admin"])))
    asked = [*_calls(), *((path, {}) for path in _PAGES)]
    assert len(asked) > 70
    found = set()
    for path, query in asked:
        async with asyncio.timeout(PATIENCE_S):
            head = await guarded.head(path, params=query)
            got = await _got(guarded, path, query)
        assert head.status_code == got.status_code, path
        assert _head(path, head) == _head(path, got), path
        assert head.content == b""
        found.add(head.status_code)
    assert {200, 404, 422} <= found
    assert 405 not in found


@pytest.mark.usefixtures("hidden")
async def test_head_needs_the_key_that_get_needs(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    for path, query in _calls():
        head, got = await guarded.head(path, params=query), await _got(guarded, path, query)
        assert (head.status_code, _head(path, head)) == (got.status_code, _head(path, got)), path
    limited = bearer(
        keys.create(connection, name="open", scopes=["read"], facilities=["openworks"])
    )
    hidden_one = {"facility": "secretworks"}
    for path in ("/v1/live", _STREAM):
        assert (await guarded.head(path, params=hidden_one, headers=limited)).status_code == 404


@pytest.mark.usefixtures("hidden")
async def test_heads_of_streams_hold_none_of_them_open(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    """On one connection, many more of them than one key may have open."""
    guarded.headers.update(bearer(keys.create(connection, name="all", scopes=["admin"])))
    for _ in range(150):
        head = await guarded.head(_STREAM, params={"facility": "secretworks"})
        assert head.status_code == 200
        assert head.headers["content-type"].startswith("text/event-stream")
    assert (await guarded.get("/healthz")).status_code == 200


async def test_a_path_that_cannot_be_got_has_no_head(guarded: httpx.AsyncClient) -> None:
    head = await guarded.head("/v1/quarantine/replay")
    assert (head.status_code, head.headers["allow"], head.content) == (405, "POST", b"")
    # and one that can says so
    put = await guarded.put("/v1/live")
    assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD")


async def test_a_head_is_validated_logged_and_counted_by_its_route(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    guarded.headers.update(bearer(keys.create(connection, name="all", scopes=["admin"])))
    first = await guarded.head("/v1/factors")
    again = await guarded.head("/v1/factors", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    got = await guarded.get("/v1/factors")
    assert first.headers["content-encoding"] == got.headers["content-encoding"] == "gzip"
    assert first.headers["content-length"] == got.headers["content-length"]
    metrics = (await guarded.get("/metrics")).text
    for status in (200, 304):
        assert f'method="HEAD",route="/v1/factors",status="{status}"' in metrics
