from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.api.app import create_app
from services.api.routes import documentation
from services.core.runtime.settings import Settings

_SCRIPT = "console.log('a page of ours')"
_HANDLER = "this.hidden = false"
_PAGE = (
    f'<script src="a.js"></script><script>{_SCRIPT}</script><iframe onload="{_HANDLER}"></iframe>'
)


@pytest.fixture
async def client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text(_PAGE)
    (site / "a.js").write_text("1")
    (site / ".sources").write_text("the stamp")
    (tmp_path / "secret").write_text("no page")
    monkeypatch.setattr(documentation, "_DIRECTORY", site)
    transport = httpx.ASGITransport(app=create_app(Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


async def test_needs_no_key_and_runs_the_scripts_of_its_pages_alone(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/docs/")
    assert (answer.status_code, answer.text) == (200, _PAGE)
    (scripts,) = (
        part.split()[1:]
        for part in answer.headers["content-security-policy"].split(";")
        if part.split()[0] == "script-src"
    )
    assert set(scripts) == {"'self'", "'unsafe-hashes'", _hash(_SCRIPT), _hash(_HANDLER)}


async def test_a_page_is_found_without_its_ending(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs/index")).text == _PAGE


async def test_the_address_without_a_slash_leads_to_the_one_with_it(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/docs")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs/")


async def test_a_page_that_did_not_change_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/docs/a.js")
    again = await client.get("/docs/a.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["none.html", "%2e%2e/secret", ".sources", "%2e%2e%2fsecret", "%2f"]
)
async def test_what_is_no_page_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/docs/{path}")
    assert answer.status_code == 404
    assert "start at /docs/" in answer.json()["detail"]


async def test_says_what_to_do_where_it_was_not_built(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(documentation, "_DIRECTORY", tmp_path / "nothing")
    answer = await client.get("/docs/")
    assert answer.status_code == 404
    assert "make up" in answer.json()["detail"]
