from __future__ import annotations

import base64
from typing import Any

import httpx
import psycopg

from services.api.models.quarantine import QuarantineRow

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
        refuse(connection, "bad_value" if i % 2 == 0 else "conflict", str(i).encode())
    refuse(connection, "conflict", b"settled", state="replayed")
    seen: list[str] = []
    response = await client.get(
        "/v1/quarantine", params={"reason": "conflict,bad_time", "limit": 5}
    )
    while True:
        seen += [row["payload"] for row in response.json()]
        if "next" not in response.links:
            break
        response = await client.get(response.links["next"]["url"])
    assert seen == [str(i) for i in range(23, 0, -2)]
    assert len(await quarantine(client, state="all")) == 26
    assert [row["payload"] for row in await quarantine(client, state="replayed")] == ["settled"]


async def test_a_conflict_shows_both_values_and_what_to_do(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    connection.execute(
        "INSERT INTO quarantine (reason, detail, topic, payload, value, quality, stored_value,"
        " stored_quality) VALUES ('conflict', 'accept it or discard it', 't', '', 2, 1, NULL, 0)"
    )
    (row,) = await quarantine(client)
    assert (row["value"], row["quality"]) == (2, "uncertain")
    assert (row["stored_value"], row["stored_quality"]) == (None, "good")
    assert row["detail"] == "accept it or discard it"


async def test_a_span_of_arrival(client: httpx.AsyncClient, connection: Connection) -> None:
    for hour in (10, 11, 12):
        connection.execute(
            "INSERT INTO quarantine (received_at, reason, detail, topic, payload)"
            " VALUES (make_timestamptz(2026, 11, 23, %s, 0, 0), 'bad_value', '', 't', %s)",
            (hour, str(hour).encode()),
        )
    span = {"from": "2026-11-23T10:00:00Z", "to": "2026-11-23T12:00:00Z", "limit": 1}
    first = await client.get("/v1/quarantine", params=span)
    rest = await client.get(first.links["next"]["url"])
    assert [row["payload"] for answer in (first, rest) for row in answer.json()] == ["11", "10"]
    assert "next" not in rest.links
