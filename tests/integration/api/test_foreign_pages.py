"""What a page of another site can have a browser send: nothing of it changes anything."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg

from services.core.store.operations import keys
from tests.integration.api.plant import found
from tests.integration.api.test_auth import bearer, guarded

__all__ = ["guarded"]

Connection = psycopg.Connection[Any]

#: What a form, or fetch in the mode `no-cors`, may send without being asked for permission.
FORMS = (
    {},
    {"Content-Type": "text/plain"},
    {"Content-Type": "text/plain; a=application/json"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Type": "TEXT/PLAIN"},
)
CHANGES = ("/v1/alerts/1/ack", "/v1/quarantine/replay")


def kind(response: httpx.Response) -> str:
    return str(response.json()["type"]).removeprefix("urn:tonne:problem:")


async def test_what_a_form_can_send_changes_nothing(client: httpx.AsyncClient) -> None:
    for path in CHANGES:
        for headers in FORMS:
            response = await client.post(path, content=b"{}", headers=headers)
            assert (response.status_code, kind(response)) == (403, "cross-site"), headers
            assert "X-Tonne-Request" in response.json()["detail"]


async def test_what_a_form_cannot_send_is_answered(client: httpx.AsyncClient) -> None:
    for headers in (
        {"Content-Type": "application/json"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"X-Tonne-Request": "1"},
    ):
        response = await client.post("/v1/alerts/1/ack", headers=headers)
        assert response.status_code == 404, headers


async def test_with_a_key_no_header_more_is_needed(
    guarded: httpx.AsyncClient, connection: Connection
) -> None:
    key = keys.create(connection, name="desk", scopes=["write"])
    # as `curl -X POST -H 'Authorization: Bearer KEY'` sends it, with and without a body
    assert (await guarded.post("/v1/alerts/1/ack", headers=bearer(key))).status_code == 404
    form = {**bearer(key), "Content-Type": "application/x-www-form-urlencoded"}
    assert (await guarded.post("/v1/alerts/1/ack", headers=form)).status_code != 403
    assert (await guarded.post("/v1/alerts/1/ack", headers=FORMS[1])).status_code == 403


async def test_without_keys_only_the_apis_own_pages_are_answered(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    port = client.base_url.port
    json = {"Content-Type": "application/json"}
    for origin, expected in (
        (f"http://127.0.0.1:{port}", 404),
        ("http://attacker.example", 403),
        ("http://127.0.0.1:1", 403),
        (f"http://localhost:{port}", 403),
        (f"http://127.0.0.1.attacker.example:{port}", 403),
        (f"http://127.0.0.1:{port}@attacker.example", 403),
        ("null", 403),
        ("http://[", 403),
    ):
        headers = {**json, "Origin": origin}
        response = await client.post("/v1/alerts/1/ack", headers=headers)
        assert response.status_code == expected, origin
        for method, path in (("PUT", "/v1/facilities/linz"), ("DELETE", "/v1/thresholds/a")):
            response = await client.request(method, path, headers=headers)
            assert (response.status_code == 403) == (expected == 403), (method, origin)


async def test_no_name_but_this_machines_is_answered(client: httpx.AsyncClient) -> None:
    for host in ("attacker.example", "[", "127.0.0.1:x", "", "192.0.2.1", "a@b"):
        response = await client.get("/v1/facilities", headers={"Host": host})
        assert response.status_code == 421, host


async def test_no_page_elsewhere_may_ask_or_embed(client: httpx.AsyncClient) -> None:
    asked = await client.options(
        "/v1/alerts/1/ack",
        headers={
            "Origin": str(client.base_url).rstrip("/"),
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    for response in (asked, await client.get("/v1/facilities"), await client.get("/")):
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
