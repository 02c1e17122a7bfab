"""Readings by HTTP: through the real API, a real ingest and its pipeline, into a real database."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import psycopg
import pytest
import structlog
from pydantic import SecretStr

from services.api.app import create_app
from services.api.models.sent_readings import SentReadings
from services.core.runtime import reading_door
from services.core.runtime.reading_door import Answer, DoorClosedError, DoorLostError
from services.core.runtime.settings import Settings
from services.core.store.operations import heard_topics, keys
from tests.examples import ROOT, examples_of
from tests.integration.api.server import serving
from tests.integration.ingest.plant import FILE, Plant
from tests.patience import PATIENCE_S, until
from tests.services import as_login, is_listening, server_directory

AT = "2026-11-23T18:00:00Z"


@pytest.fixture
def folder() -> Any:
    # a socket's address is short
    with server_directory() as directory:
        yield directory


@pytest.fixture
async def client(plant: Plant, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that requires keys, whose own may send; ingest runs."""
    socket = folder / "door.sock"
    plant.started(TONNE_READINGS_SOCKET=str(socket))
    until(lambda: is_listening(socket), "ingest listens")
    settings = Settings(
        database_url=SecretStr(as_login(plant.database, "tonne_api")),
        readings_socket=socket,
        readings_body_bytes=200_000,
        api_readings_per_minute=1000,
    )
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as opened,
    ):
        opened.headers["Authorization"] = f"Bearer {key(plant, 'send')}"
        yield opened


def key(plant: Plant, scope: str, facilities: Sequence[str] | None = None) -> str:
    with psycopg.connect(plant.database) as connection:
        return keys.create(connection, name="gateway", scopes=[scope], facilities=facilities)


def rows(number: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "facility": "linz",
            "device": "meter-grid",
            "ts": 1795456800 + i,
            "values": {"import-power": i + 0.5},
        }
        for i in range(start, start + number)
    ]


async def sent(
    client: httpx.AsyncClient, body: Any, status: int = 200, **options: Any
) -> dict[str, Any]:
    options.setdefault("headers", {}).setdefault("Content-Type", "application/json")
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    response = await client.post("/v1/readings", content=content, **options)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    if status < 300:
        SentReadings.model_validate(answer)
    return answer


def counts(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    return answer["new"], answer["repeated"], answer["replaced"], answer["refused"]


async def test_what_is_answered_is_durable_and_the_same_again_changes_nothing(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    assert counts(await sent(client, rows(10))) == (10, 0, 0, 0)
    assert plant.count("reading") == 10
    # as the same would come by the broker
    plant.publish(json.dumps({k: v for k, v in rows(1)[0].items() if k in {"ts", "values"}}))
    assert counts(await sent(client, rows(12))) == (2, 10, 0, 0)
    packed = gzip.compress(json.dumps(rows(13)).encode())
    answer = await sent(client, packed, headers={"Content-Encoding": "gzip"})
    assert counts(answer) == (1, 12, 0, 0)
    # what one body says twice counts once
    assert counts(await sent(client, rows(1, start=20) * 3)) == (1, 2, 0, 0)
    assert plant.count("reading") == 14
    assert plant.quarantine() == []


async def test_a_request_is_found_in_the_logs_of_both_and_leads_to_its_batch(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    def lines(event: str) -> list[dict[str, Any]]:
        texts = plant.log.read_text().splitlines()
        said = [json.loads(text) for text in texts if text.startswith("{")]
        return [line for line in said if line["event"] == event]

    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as of_the_api:
        for name in ("first-7", "second-7"):
            await sent(client, rows(3), headers={"X-Request-ID": name, "Idempotency-Key": "one"})
        await sent(client, rows(2, start=9), headers={"X-Request-ID": "third-7"})
        await sent(client, "{", 422, headers={"X-Request-ID": "fourth-7"})
    requests = [line for line in of_the_api if line["event"] == "request"]
    assert [(line["request"], line["status"]) for line in requests] == [
        ("first-7", 200), ("second-7", 200), ("third-7", 200), ("fourth-7", 422),
    ]  # fmt: skip
    stored = lines("readings by HTTP are stored")
    # the second is the first once more, whatever its id
    assert [(line["request"], line["new"]) for line in stored] == [("first-7", 3), ("third-7", 2)]
    (first,), (third,) = (line["batches"] for line in stored)
    assert first.partition("-")[0] == third.partition("-")[0]
    assert int(first.partition("-")[2]) < int(third.partition("-")[2])
    assert [line["request"] for line in lines("not taken")] == ["fourth-7"]


async def test_each_refused_one_has_its_verdict_and_lies_in_quarantine(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    cems = {"facility": "linz", "device": "cems-1"}
    body = [
        *rows(2),
        {**cems, "ts": AT, "values": {"co2": 125, "flow": 7}},
        {**cems, "ts": "yesterday", "values": {"co2": 12}},
        {**cems, "ts": AT, "values": {"so2": 1}},
        {"facility": "linz", "device": "nobody", "ts": AT, "values": {"x": 1}},
        {"device": "meter-grid", "ts": AT, "values": {"import-power": 1}},
        {
            "facility": "linz",
            "device": "meter-grid",
            "ts": 1795456800,
            "values": {"import-power": 9},
        },
    ]
    answer = await sent(client, body, 207)
    # the gap that stands for the refused value is no reading that was sent
    assert counts(answer) == (3, 0, 0, 6)
    seen = [
        (r["index"], r["device"], r["channel"], r["reason"], r["quarantined"])
        for r in answer["refusals"]
    ]
    assert seen == [
        (2, "cems-1", "co2", "out_of_range", True),
        (3, "cems-1", None, "bad_time", True),
        (4, "cems-1", "so2", "unknown_channel", True),
        (5, "nobody", None, "unknown_device", True),
        (6, "meter-grid", None, "bad_topic", False),
        (7, "meter-grid", "import-power", "conflict", True),
    ]
    first = answer["refusals"][0]
    assert (first["time"], first["value"]) == (AT, 125.0)
    assert "outside" in first["detail"]
    assert first["advice"].startswith("check the sensor")
    entries = {entry["reason"] for entry in plant.quarantine()}
    assert entries == {"out_of_range", "bad_time", "unknown_channel", "unknown_device", "conflict"}
    # the same once more finds the same, and leaves no second entry
    again = await sent(client, body, 207)
    assert counts(again) == (0, 3, 0, 6)
    assert len(plant.quarantine()) == 5
    german = await sent(client, body, 207, headers={"Accept-Language": "de"})
    told = {refusal["reason"]: refusal for refusal in german["refusals"]}
    assert told["bad_topic"]["detail"] == "es nennt kein facility"
    assert told["bad_topic"]["advice"].startswith("nennen Sie Anlage und Gerät")
    assert told["unknown_channel"]["detail"].startswith("Gerät 'cems-1' hat keinen solchen Kanal")


async def test_refused_ones_are_replayed_as_those_of_a_broker(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    csv = f"time,channel,value\n{AT},spare,7\n"
    address = {"params": {"facility": "linz", "device": "meter-grid"}}
    answer = await sent(client, csv, 207, headers={"Content-Type": "text/csv"}, **address)
    (refusal,) = answer["refusals"]
    assert (refusal["index"], refusal["line"], refusal["reason"]) == (0, 2, "unknown_channel")
    plant.apply(
        FILE.replace(
            "max_gap: 120}",
            "max_gap: 120}\n      - {id: spare, quantity: power, unit: kW, kind: gauge}",
            1,
        )
    )
    operator = {"Authorization": f"Bearer {key(plant, 'write')}"}
    response = await client.post("/v1/quarantine/replay", json={}, headers=operator)
    assert response.json()["restored"] == 1, response.text
    assert [(row[0], row[2]) for row in plant.readings()] == [("spare", 7.0)]


async def test_better_readings_take_the_place_of_what_is_stored(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    (row,) = rows(1)
    estimate = {**row, "values": {"import-power": {"v": 3, "q": "uncertain"}}}
    assert counts(await sent(client, [estimate])) == (1, 0, 0, 0)
    assert counts(await sent(client, [row])) == (0, 0, 1, 0)
    assert counts(await sent(client, [estimate])) == (0, 1, 0, 0)
    assert [(value, quality) for _, _, value, quality in plant.readings()] == [(0.5, 0)]


async def test_a_file_is_answered_when_ingest_hears_its_topics(
    client: httpx.AsyncClient, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    engineer = {"Authorization": f"Bearer {key(plant, 'write')}"}

    async def apply(topic: str, **params: Any) -> dict[str, Any]:
        text = FILE.replace("id: meter-grid\n", f"id: meter-grid\n    topic: {topic}\n", 1)
        answer = await client.put(
            "/v1/facilities/linz",
            content=text,
            headers={**engineer, "Content-Type": "application/yaml"},
            params=params,
        )
        assert answer.status_code == 200, answer.text
        applied: dict[str, Any] = answer.json()
        return applied

    monkeypatch.setattr(heard_topics, "LONGEST_WAIT_S", PATIENCE_S)
    until(lambda: "heard_revision" in plant.state, "ingest reports", explain=plant.shown)
    assert (await apply("hall/grid", dry_run=True))["topics_heard"] is None
    assert (await apply("hall/grid"))["topics_heard"] is True
    # at once, and nothing of it is lost
    plant.publish(json.dumps({"ts": AT, "values": {"import-power": 7}}), topic="hall/grid")
    until(lambda: plant.count("reading") == 1, "the reading is stored")
    # nothing new, so that nobody waits
    assert (await apply("hall/grid"))["topics_heard"] is None
    assert (await apply("hall/other", wait=False))["topics_heard"] is None
    monkeypatch.setattr(heard_topics, "LONGEST_WAIT_S", 0.2)
    assert plant.process is not None
    plant.process.send_signal(signal.SIGSTOP)
    try:
        late = await apply("hall/third")
    finally:
        plant.process.send_signal(signal.SIGCONT)
    assert late["topics_heard"] is False
    assert heard_topics.NOT_HEARD in late["warnings"]


async def test_who_may_send_what(client: httpx.AsyncClient, plant: Plant) -> None:
    for scope, status in (("read", 403), ("write", 200), ("admin", 200)):
        bearer = {"Authorization": f"Bearer {key(plant, scope)}"}
        await sent(client, rows(1), status, headers=bearer)
    plant.apply(FILE.replace("id: linz", "id: graz"))
    limited = {"Authorization": f"Bearer {key(plant, 'send', ['graz'])}"}
    answer = await sent(client, rows(2, start=5), 207, headers=limited)
    assert counts(answer) == (0, 0, 0, 2)
    assert {r["reason"] for r in answer["refusals"]} == {"unknown_facility"}
    assert not any(r["quarantined"] for r in answer["refusals"])
    await sent(client, rows(1), 404, headers=limited, params={"facility": "linz"})
    row = {**rows(1)[0], "facility": "graz"}
    assert counts(await sent(client, [row], headers=limited)) == (1, 0, 0, 0)
    # a key that sends does nothing else
    response = await client.get("/v1/readings", params={"facility": "linz"})
    assert response.status_code == 403


async def test_bodies_that_are_not_taken(client: httpx.AsyncClient, plant: Plant) -> None:
    for headers, status, words in (
        ({"Content-Type": "application/xml"}, 415, "text/csv"),
        ({"Content-Type": ""}, 415, "none"),
        ({"Content-Type": "text/csv; charset=utf-16"}, 415, "UTF-8"),
        ({"Content-Encoding": "br"}, 415, "gzip"),
        ({"Content-Encoding": "gzip"}, 422, "not gzip"),
    ):
        answer = await sent(client, rows(1), status, headers=headers)
        assert words in answer["detail"]
    answer = await sent(client, "[{", 422)
    assert "Nothing of this was stored" in answer["detail"]
    bomb = gzip.compress(b" " * 20_000_000)
    answer = await sent(client, bomb, 413, headers={"Content-Encoding": "gzip"})
    assert answer["type"] == "urn:tonne:problem:body-too-large"
    await sent(client, b" " * 300_000, 413)
    assert plant.count("reading") == plant.count("quarantine") == 0
    plain = {"Content-Type": 'application/json; charset="UTF-8"; profile=x'}
    assert counts(await sent(client, rows(1), headers=plain)) == (1, 0, 0, 0)


async def test_of_half_a_body_nothing_is_taken(client: httpx.AsyncClient, plant: Plant) -> None:
    body = json.dumps(rows(3)).encode()
    head = (
        f"POST /v1/readings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
    )
    for framing, begun in (
        (f"Content-Length: {len(body) + 9}", body),
        ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (len(body), body)),
    ):
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(f"{head}{framing}\r\n\r\n".encode() + begun)
        writer.write_eof()
        # it is whole as JSON, and the client did not say that it has ended
        await reader.read()
        writer.close()
    # what is longer than it is said to be ends where it was said to
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(f"{head}Content-Length: {len(body) - 3}\r\n\r\n".encode() + body)
    assert b" 422 " in await reader.readline()
    writer.close()
    assert plant.count("reading") == plant.count("quarantine") == 0


async def test_the_readings_of_a_minute_are_bounded(client: httpx.AsyncClient) -> None:
    await sent(client, rows(1100))
    response = await client.post("/v1/readings", json=rows(1))
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) >= 1
    assert "TONNE_API_READINGS_PER_MINUTE" in response.json()["detail"]


async def test_without_ingest_nothing_is_claimed(client: httpx.AsyncClient, plant: Plant) -> None:
    plant.end(signal.SIGKILL)
    response = await client.post("/v1/readings", json=rows(1))
    assert response.status_code == 503
    assert response.json()["type"] == "urn:tonne:problem:ingest-away"
    assert response.headers["Retry-After"] == "5"
    # the socket of the one that was killed is in nobody's way
    plant.started(TONNE_READINGS_SOCKET=str(client_socket(plant)))
    until(lambda: plant.said("readings may come by HTTP") == 2, "ingest listens again")
    assert counts(await sent(client, rows(1))) == (1, 0, 0, 0)


async def test_an_answer_that_is_lost_costs_nothing(
    client: httpx.AsyncClient, plant: Plant, folder: Path
) -> None:
    door, between = folder / "door.sock", folder / "between.sock"
    kills = [True]

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_door, to_door = await asyncio.open_unix_connection(str(door))
        onwards = asyncio.create_task(_pump(reader, to_door))
        answer = await from_door.read(1 << 16)
        if kills:
            # it was committed, and nobody hears of it
            kills.pop()
            await asyncio.to_thread(plant.end, signal.SIGKILL)
        else:
            writer.write(answer)
            await writer.drain()
        onwards.cancel()
        writer.close()
        to_door.close()

    settings = Settings(
        database_url=SecretStr(as_login(plant.database, "tonne_api")), readings_socket=between
    )
    server = await asyncio.start_unix_server(relay, path=between)
    async with (
        server,
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S, headers=client.headers) as sender,
    ):
        answer = await sent(sender, rows(10), 503)
        assert answer["type"] == "urn:tonne:problem:not-confirmed"
        assert "is not known" in answer["detail"]
        assert plant.count("reading") == 10
        plant.started(TONNE_READINGS_SOCKET=str(door))
        until(lambda: plant.said("readings may come by HTTP") == 2, "ingest listens again")
        assert counts(await sent(sender, rows(12))) == (2, 10, 0, 0)
    assert plant.count("reading") == 12


async def test_a_body_with_a_key_is_answered_as_before(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    key_1 = {"Idempotency-Key": "import-1"}
    first = await sent(client, rows(3), headers=dict(key_1))
    assert counts(first) == (3, 0, 0, 0)
    response = await client.post(
        "/v1/readings",
        content=json.dumps(rows(3)),
        headers={"Content-Type": "application/json", **key_1},
    )
    assert (response.json(), response.headers["Idempotent-Replayed"]) == (first, "true")
    answer = await sent(client, rows(4), 422, headers=dict(key_1))
    assert "another body" in answer["detail"]
    assert plant.count("reading") == 3
    # of another sender it is another key
    other = {"Authorization": f"Bearer {key(plant, 'send')}", **key_1}
    assert counts(await sent(client, rows(4), headers=other)) == (1, 3, 0, 0)
    await sent(client, rows(1), 422, headers={"Idempotency-Key": "a b"})
    # an answer that was lost before it was kept: the body is taken as it came
    with psycopg.connect(plant.database) as connection:
        connection.execute("UPDATE sent_readings SET status = NULL, answer = NULL")
    assert counts(await sent(client, rows(3), headers=dict(key_1))) == (0, 3, 0, 0)
    # and what is a day old is forgotten
    with psycopg.connect(plant.database) as connection:
        connection.execute("UPDATE sent_readings SET made_at = now() - interval '25 hours'")
    assert counts(await sent(client, rows(5), headers=dict(key_1))) == (1, 4, 0, 0)
    assert plant.count("sent_readings") == 1


async def test_a_body_of_which_nothing_was_stored_leaves_its_key_free(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    named = {"Idempotency-Key": "shift-1"}
    for broken in ("[{", gzip.compress(json.dumps(rows(3)).encode())):
        answer = await sent(client, broken, 422, headers=dict(named))
        assert "Nothing of this was stored" in answer["detail"]
        assert plant.count("sent_readings") == 0
    assert counts(await sent(client, rows(3), headers=dict(named))) == (3, 0, 0, 0)
    # from then on it is that body's, also for one that is refused whole
    for other in (rows(4), "[{"):
        answer = await sent(client, other, 422, headers=dict(named))
        assert "another body" in answer["detail"]
    # a body in part refused is answered, and so is the same again
    part = [*rows(1), {"facility": "linz", "device": "nobody", "ts": AT, "values": {"x": 1}}]
    for _ in range(2):
        await sent(client, part, 207, headers={"Idempotency-Key": "shift-2"})
    await sent(client, rows(1), 422, headers={"Idempotency-Key": "shift-2"})


async def test_a_key_is_free_while_ingest_is_away_and_used_where_nothing_is_known(
    client: httpx.AsyncClient, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"Idempotency-Key": "shift-3"}
    for error, held in ((DoorClosedError(), 0), (DoorLostError(), 1)):

        async def fail(*_: object, error: Exception = error) -> Answer:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(reading_door, "ask", fail)
            await sent(client, rows(2), 503, headers=dict(named))
        assert plant.count("sent_readings") == held
    await sent(client, rows(3), 422, headers=dict(named))
    assert counts(await sent(client, rows(2), headers=dict(named))) == (2, 0, 0, 0)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def test_the_bodies_of_the_documentation_are_taken(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    page = ROOT / "deploy" / "docs" / "howto" / "send-readings.md"
    examples = examples_of(page)
    bodies = [one for one in examples if one.mark.startswith("a body of ")]
    assert len(bodies) >= 5
    number = 0
    for body in bodies:
        media_type, _, query = body.mark.removeprefix("a body of ").partition("?")
        answer = await sent(
            client, body.text, headers={"Content-Type": media_type}, params=dict(parse_qsl(query))
        )
        assert answer["new"] == sum(counts(answer)) > 0, body.name
        number += answer["new"]
    assert plant.count("reading") == number
    (program,) = [one for one in examples if one.mark == "a program"]
    names: dict[str, Any] = {}
    exec(compile(program.text, program.name, "exec"), names)  # noqa: S102 - our own documentation
    bearer = client.headers["Authorization"].removeprefix("Bearer ")
    answer = await asyncio.to_thread(
        names["send"], rows(3, start=1000), str(client.base_url), bearer
    )
    assert counts(answer) == (3, 0, 0, 0)
    for one in examples:
        if one.mark == "an answer":
            SentReadings.model_validate_json(one.text)


def client_socket(plant: Plant) -> str:
    for line in plant.log.read_text().splitlines():
        if "readings may come by HTTP" in line:
            return str(json.loads(line)["socket"])
    raise AssertionError


async def test_the_broker_is_not_needed(client: httpx.AsyncClient, plant: Plant) -> None:
    plant.broker.stop()
    assert counts(await sent(client, rows(3))) == (3, 0, 0, 0)
    until(lambda: plant.state.get("broker") in {"away", "connected"}, "readiness says how it is")
