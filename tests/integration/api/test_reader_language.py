"""What the API says itself is in the reader's language; programs, which name none, read English."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

Connection = psycopg.Connection[Any]

_UNKNOWN_CHANNEL = (
    "device 'm' has no such channel; add the channel to its device in the facility file, run"
    " `tonne apply`, then replay this"
)
_GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
_WRONG = """\
facility: {id: linz, name: Linz, timezone: Europe/Wien}
devices:
  - id: meter
    channels: [{id: energy, quantity: energy, unit: kWh, kind: counter, colour: red}]
"""


@pytest.mark.parametrize(
    ("headers", "language", "title", "detail"),
    [
        ({}, "en", "Not found", "There is no facility nowhere"),
        (_GERMAN, "de", "Nicht gefunden", "Es gibt keine Anlage nowhere"),
        ({"Accept-Language": "zh-CN"}, "zh", "未找到", "没有设施 nowhere"),
        ({"Accept-Language": "fr"}, "en", "Not found", "There is no facility nowhere"),
    ],
)
async def test_problems_are_in_the_language_that_is_asked_for(
    client: httpx.AsyncClient, headers: dict[str, str], language: str, title: str, detail: str
) -> None:
    answer = await client.get("/v1/live?facility=nowhere", headers=headers)
    problem = answer.json()
    assert (problem["type"], problem["title"]) == ("urn:tonne:problem:not-found", title)
    assert problem["detail"].startswith(detail)
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]


async def test_mistakes_of_a_file_are_told_in_german(client: httpx.AsyncClient) -> None:
    path, as_yaml = "/v1/facilities/linz", {"Content-Type": "application/yaml"}
    english = (await client.post(f"{path}/check", content=_WRONG, headers=as_yaml)).json()
    in_german = {**as_yaml, **_GERMAN}
    german = (await client.post(f"{path}/check", content=_WRONG, headers=in_german)).json()
    messages = [error["message"] for error in german["errors"]]
    assert [error["path"] for error in german["errors"]] == [
        error["path"] for error in english["errors"]
    ]
    assert any("keine Zeitzone der IANA-Datenbank" in message for message in messages)
    assert any("dieser Schlüssel ist hier nicht bekannt" in message for message in messages)
    applied = await client.put(path, content=_WRONG, headers=in_german)
    assert applied.json()["detail"].startswith("Zeile 1: ")
    assert [error["message"] for error in applied.json()["errors"]] == messages


async def test_what_was_stored_in_english_is_told_in_german(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    connection.execute(
        "INSERT INTO quarantine (reason, detail, topic, payload) VALUES ('unknown_channel', %s,"
        " 'emissions/linz/m/readings', '')",
        (_UNKNOWN_CHANNEL,),
    )
    (row,) = (await client.get("/v1/quarantine", headers=_GERMAN)).json()
    assert row["detail"].startswith("Gerät 'm' hat keinen solchen Kanal; ergänzen Sie den Kanal")
    table = await client.get("/v1/quarantine.csv")
    assert "has no such channel" in table.text


async def test_what_people_wrote_stays_and_prometheus_is_answered_in_english(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    connection.execute(
        "INSERT INTO quarantine (reason, detail, topic, payload)"
        " VALUES ('conflict', 'Fritz is looking into it', 't', '')"
    )
    answer = await client.get("/v1/quarantine", headers=_GERMAN)
    assert answer.json()[0]["detail"] == "Fritz is looking into it"
    # a page adds in its own language what kind of thing it is
    assert answer.headers["Content-Language"] == "de, en"
    refused = await client.get("/prometheus/api/v1/query?query=((", headers=_GERMAN)
    assert refused.json()["errorType"] == "bad_data"
    assert "Content-Language" not in refused.headers
