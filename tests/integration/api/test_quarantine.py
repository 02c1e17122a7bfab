from __future__ import annotations

import base64
from typing import Any

import httpx
import psycopg

from services.api.models import QuarantineRow

Connection = psycopg.Connection[Any]


def refuse(connection: Connection, reason: str, payload: bytes, state: str = "open") -> None:
    connection.execute(
        "INSERT INTO quarantine (reason, detail, topic, payload, state)"
        " VALUES (%s, 'send something else', 'emissions/linz/m/readings', %s, %s)",
        (reason, payload, state),
    )


async def quarantine(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    response = await client.get("/v1/quarantine", params=parameters)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    for row in rows:
        QuarantineRow.model_validate(row)
    return rows


async def test_raw_bytes_are_shown_as_text_or_base64(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    long = "ö".encode() * 20_000
    for payload in ("grüß".encode(), b"\xff\x00\x01", b"x" + long):
        refuse(connection, "not-json", payload)
    longest, binary, text = await quarantine(client)
    assert (text["payload"], text["payload_base64"]) == ("grüß", None)
    assert (binary["payload"], base64.b64decode(binary["payload_base64"])) == (
        None,
        b"\xff\x00\x01",
    )
    assert longest["payload"] == "x" + "ö" * 8191
    assert longest["payload_bytes"] == 40_001


async def test_filter_and_pages(client: httpx.AsyncClient, connection: Connection) -> None:
    for i in range(25):
        refuse(connection, "even" if i % 2 == 0 else "odd", str(i).encode())
    refuse(connection, "odd", b"settled", state="replayed")
    seen: list[str] = []
    response = await client.get("/v1/quarantine", params={"reason": "odd,other", "limit": 5})
    while True:
        seen += [row["payload"] for row in response.json()]
        if "next" not in response.links:
            break
        response = await client.get(response.links["next"]["url"])
    assert seen == [str(i) for i in range(23, 0, -2)]
    assert len(await quarantine(client, state="all")) == 26
    assert [row["payload"] for row in await quarantine(client, state="replayed")] == ["settled"]
