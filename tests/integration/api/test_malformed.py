"""Text that no database can hold, cursors that no answer gave, JSON that says a thing twice."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api.plant import found

Connection = psycopg.Connection[Any]

JSON = {"Content-Type": "application/json"}


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


async def refused(response: httpx.Response, status: int, kind: str) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == f"urn:tonne:problem:{kind}"
    return str(body["detail"])


NUL_IN_ADDRESSES = (
    "/v1/live?facility=linz%00",
    "/v1/live?fac%00ility=linz",
    "/v1/emissions?facility=linz&source=%00",
    "/v1/readings?device=%00",
    "/v1/quarantine?reason=%00",
    "/v1/explain?facility=linz&source=%00&hour=0",
    "/v1/facilities?cursor=%00",
    "/v1/alerts?threshold=%00",
    "/v1/alerts/%00",
    "/assets/%00",
)


async def test_a_nul_byte_in_an_address_is_400(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    for path in NUL_IN_ADDRESSES:
        assert "%00" in await refused(await client.get(path), 400, "malformed"), path


CURSORS = {
    "/v1/facilities": ["linz", cursor(""), cursor("a b"), cursor("a\0b")],
    "/v1/alerts": ["17", *map(cursor, ("0", "-1", "1.5", "x", "9" * 19, "9" * 500, "\u0663"))],
    "/v1/quarantine": ["17", *map(cursor, ("0", "-1", "1.5", "x", "9" * 19, "1e3", "1 1"))],
    "/v1/emissions": [
        "x",
        "=" * 9,
        cursor("2026-11-23T17:00:00 linz stack-1"),
        cursor("0001-01-01T00:00:00Z linz stack-1"),
        cursor("9999-12-31T23:59:59Z linz stack-1"),
        cursor("2026-11-23T17:00:00Z linz"),
        cursor("2026-11-23T17:00:00Z linz a\0b"),
        cursor("2026-11-23T17:00:00Z linz " + "a" * 2000),
    ],
    "/v1/restatements": [
        cursor("2026-11-23T17:00:00 1 1"),
        cursor(f"2026-11-23T17:00:00Z {'9' * 19} 1"),
        cursor(f"2026-11-23T17:00:00Z 1 {'9' * 5000}"),
        cursor("2026-11-23T17:00:00Z -1 1"),
        cursor("0001-01-01T00:00:00+14:00 1 1"),
    ],
}


async def test_a_cursor_that_no_answer_gave_is_400(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    for path, texts in CURSORS.items():
        for text in texts:
            response = await client.get(path, params={"cursor": text})
            assert "`Link`" in await refused(response, 400, "malformed"), (path, text)


BODIES = (
    (r'{"comment": "a\u0000b"}', 400, "NUL"),
    (r'{"comment": "half \ud83d"}', 400, "half of a surrogate pair"),
    (r'{"comment": "half \uDC00"}', 400, "half of a surrogate pair"),
    ('{"comment": "a", "comment": "b"}', 422, "duplicate key `comment`"),
    ('{"comment": {"a": 1, "\\u0061": 2}}', 422, "duplicate key `a`"),
    ("[" * 100_000, 400, "nested"),
)
CALLS = (
    ("POST", "/v1/alerts/1/ack"),
    ("POST", "/v1/quarantine/replay"),
    ("PUT", "/v1/thresholds/a?facility=linz"),
    ("PUT", "/v1/facilities/linz"),
)


async def test_a_body_that_cannot_be_stored_or_says_a_thing_twice_is_refused(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    for method, path in CALLS:
        for body, status, says in BODIES:
            response = await client.request(method, path, content=body, headers=JSON)
            kind = "malformed" if status == 400 else "invalid-request"
            assert says in await refused(response, status, kind), (path, body[:80])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_a_body_in_another_encoding_is_checked_as_any(
    client: httpx.AsyncClient, connection: Connection, encoding: str
) -> None:
    """Its first bytes say what it is in, and the call would read it so."""
    found(connection, "linz")
    for body, status, says in BODIES:
        response = await client.post(
            "/v1/alerts/1/ack", content=body.encode(encoding), headers=JSON
        )
        kind = "malformed" if status == 400 else "invalid-request"
        assert says in await refused(response, status, kind), body[:80]
    half = '{"comment": "\ud83d"}'.encode(encoding, "surrogatepass")
    response = await client.post("/v1/alerts/1/ack", content=half, headers=JSON)
    assert "half of a surrogate pair" in await refused(response, 400, "malformed")


async def test_a_body_has_one_length(client: httpx.AsyncClient) -> None:
    """A proxy in front may go by the other, and take what follows for another's request."""
    both = {"Content-Length": "4", "Transfer-Encoding": "chunked", **JSON}
    response = await client.post("/v1/sign-in", content=b"{}  ", headers=both)
    assert "not both" in await refused(response, 400, "malformed")
    assert response.headers["connection"] == "close"


async def test_no_address_is_led_on_to_the_host_that_a_client_names(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/v1/facilities/", headers={"Host": "elsewhere.example.org"})
    assert response.status_code in {403, 404, 421}
    assert "location" not in response.headers
    response = await client.get("/v1/facilities/")
    await refused(response, 404, "not-found")


async def test_what_looks_like_nul_and_is_none_goes_on(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    for text in (r"a backslash: \\u0000", r"a pair: \ud83d\ude00", "\N{GRINNING FACE}"):
        response = await client.post(
            "/v1/alerts/1/ack", content=f'{{"comment": "{text}"}}', headers=JSON
        )
        await refused(response, 404, "not-found")


async def test_yaml_that_cannot_be_stored_is_refused(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    for name in (r"a\0b", r"half \ud83d"):
        file = f'facility: {{id: linz, name: "{name}", timezone: UTC}}\ndevices: []\nsources: []'
        response = await client.put("/v1/facilities/linz", content=file)
        assert response.status_code in {400, 422}, response.text
    row = connection.execute("SELECT count(*) FROM facility").fetchone()
    assert row == (0,)
    assert "duplicate key" in await refused(
        await client.put("/v1/facilities/linz", content="facility: {id: linz, id: graz}"),
        422,
        "invalid-request",
    )
