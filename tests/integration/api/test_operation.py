from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import Any

import httpx
import psycopg
from pydantic import SecretStr

from services.api.app import create_app
from services.api.models.operation import Ready
from services.core.runtime.settings import Settings
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S, pauses

Connection = psycopg.Connection[Any]

_SILENT = "the database does not answer; check TONNE_DATABASE_URL and the server"


def progress(connection: Connection, process: str, age_s: float) -> None:
    connection.execute(
        "INSERT INTO process_progress (process, instance, started_at, progressed_at, state)"
        " VALUES (%s, 'a', now(), now() - make_interval(secs => %s), '{}')"
        " ON CONFLICT (process, instance) DO UPDATE SET progressed_at = excluded.progressed_at",
        (process, age_s),
    )


def everything_progresses(connection: Connection) -> None:
    for process in ("ingest", "aggregator", "notify"):
        progress(connection, process, 1)


async def ready(
    client: httpx.AsyncClient, connection: Connection | None = None, *, has_database: bool = True
) -> tuple[int, dict[str, Any]]:
    """Ask; once more while a busy machine's database took longer than probes may wait for it.

    ``connection``: processes that worked a moment ago still do, however long the test took since.
    """
    for pause_s in pauses():
        if connection is not None:
            connection.execute(
                "UPDATE process_progress SET progressed_at = now()"
                " WHERE progressed_at > now() - interval '50 seconds'"
            )
        response = await client.get("/readyz")
        Ready.model_validate_json(response.content)
        body = response.json()
        if not has_database or body["missing"][:1] != [_SILENT]:
            break
        await asyncio.sleep(pause_s)
    return response.status_code, body


async def test_ready_is_when_every_process_progresses(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    status, body = await ready(client, connection)
    assert (status, body["database"], body["schema_current"]) == (503, True, True)
    assert len(body["missing"]) == 3
    for command in ("ingest", "aggregate", "notify"):
        assert any(f"`tonne {command}`" in m for m in body["missing"])
    progress(connection, "notify", 1)
    progress(connection, "ingest", 1)
    progress(connection, "aggregator", 60)
    status, body = await ready(client, connection)
    assert status == 503
    assert [name for name, state in body["processes"].items() if not state["ready"]] == [
        "aggregator"
    ]
    progress(connection, "aggregator", 1)
    status, body = await ready(client, connection)
    assert (status, body["missing"]) == (200, [])


async def test_an_ingest_without_a_broker_is_not_ready(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    connection.execute(
        """UPDATE process_progress SET state = '{"broker": "away"}' WHERE process = 'ingest'"""
    )
    status, body = await ready(client, connection)
    assert status == 503
    assert [m for m in body["missing"] if "broker" in m] == body["missing"]
    connection.execute(
        """UPDATE process_progress SET state = '{"broker": "connected"}' WHERE process = 'ingest'"""
    )
    assert (await ready(client, connection))[0] == 200


async def test_an_ingest_that_does_not_hear_unknown_devices_yet_is_not_ready(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)

    async def missing(discovery: str) -> list[str]:
        connection.execute(
            "UPDATE process_progress SET state = jsonb_build_object('discovery', %s::text)"
            " WHERE process = 'ingest'",
            (discovery,),
        )
        return list((await ready(client, connection))[1]["missing"])

    assert "unknown devices" in " ".join(await missing("begins"))
    for stage in ("listens", "elsewhere", "waits", "off"):
        assert await missing(stage) == []


async def test_a_newer_schema_that_lets_this_version_work_is_ready(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    status, body = await ready(client, connection)
    assert (status, body["missing"], body["schema_current"]) == (200, [], True)
    (notice,) = (n for n in body["notices"] if n["code"] == "schema-newer")
    assert "start the newer one in its place" in notice["detail"]
    connection.execute("UPDATE schema_compatibility SET compatible_from = '9999'")
    status, body = await ready(client, connection)
    assert (status, body["schema_current"]) == (503, False)
    assert "(9999) is newer than this version" in body["missing"][0]


async def test_a_database_without_schema_is_not_ready(empty_database_url: str) -> None:
    settings = Settings(database_url=SecretStr(empty_database_url), api_auth="off")
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        status, body = await ready(client)
    assert (status, body["schema_current"]) == (503, False)
    assert "tonne migrate" in body["missing"][0]


async def test_without_a_database_the_process_lives_and_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://tonne@127.0.0.1:{taken.getsockname()[1]}/tonne"
        settings = Settings(database_url=SecretStr(url), api_auth="off")
        async with (
            serving(create_app(settings)) as address,
            httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
        ):
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            status, body = await ready(client, has_database=False)
            assert (status, body["database"]) == (503, False)
            for path in (
                "/v1/facilities",
                "/v1/live?facility=linz",
                "/v1/stream?facility=linz",
                "/v1/emissions",
                "/v1/explain?facility=linz&source=a&hour=0",
            ):
                response = await client.get(path)
                assert response.status_code == 503, path
                assert response.json()["type"] == "urn:tonne:problem:database-away"
                assert "retry-after" in response.headers


async def test_the_api_comes_back_when_its_connections_were_cut(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    assert (await client.get("/v1/facilities")).status_code == 200
    connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE application_name LIKE 'tonne.api %' AND datname = current_database()"
    )
    # every connection is tried before it is used again, so nobody notices
    assert (await client.get("/v1/facilities")).status_code == 200


async def test_the_api_reads_with_a_role_that_cannot_write(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    await client.get("/v1/facilities")
    allowed = connection.execute(
        "SELECT table_name FROM information_schema.role_table_grants"
        " WHERE grantee = 'tonne_read' AND privilege_type <> 'SELECT'"
    ).fetchall()
    assert allowed == []


async def test_metrics_name_the_route_and_not_the_path(client: httpx.AsyncClient) -> None:
    await client.get("/v1/live", params={"facility": "secret-name"})
    await client.get("/secret-path")
    text = (await client.get("/metrics")).text
    assert 'tonne_api_requests_total{method="GET",route="/v1/live",status="404"}' in text
    assert "secret" not in text


async def test_no_method_of_a_caller_becomes_a_label(client: httpx.AsyncClient) -> None:
    async def length() -> int:
        return len((await client.get("/metrics")).text)

    async def ask(number: int) -> None:
        for path in ("/v1/live", f"/nowhere/{number}", f"/v1/alerts/{number}"):
            await client.request(f"METHOD{number}", path)

    await ask(0)
    # the first look is counted after it
    await length()
    before = await length()
    for number in range(1, 50):
        await ask(number)
    # only the digits of counters grow
    assert await length() < before + 500
    assert "METHOD" not in (await client.get("/metrics")).text


async def test_however_many_ask_readiness_takes_one_connection(
    settings: Settings, connection: Connection
) -> None:
    everything_progresses(connection)
    async with (
        serving(create_app(settings, health_holds_s=60)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(100)))
        # all are of one look at the database, which nothing that came since has changed
        assert len({answer.text for answer in answers}) == 1
        progress(connection, "ingest", 3600)
        assert (await client.get("/readyz")).json() == answers[0].json()


async def test_a_process_says_what_it_wants_said_under_its_own_code(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    notice = {"code": "filter-refused", "detail": "the broker refused a/+; shorten the topic"}
    connection.execute(
        "UPDATE process_progress SET state = jsonb_build_object('notices', %s::jsonb)"
        " WHERE process = 'ingest'",
        (json.dumps([notice]),),
    )
    status, body = await ready(client, connection)
    assert (status, body["warnings"]) == (200, [notice["detail"]])
    assert body["notices"] == [{**notice, "process": "ingest"}]


async def test_errors_are_problems_everywhere(client: httpx.AsyncClient) -> None:
    for response, status, kind in (
        (await client.get("/nothing"), 404, "not-found"),
        (await client.post("/v1/live"), 405, "method-not-allowed"),
        (await client.get("/assets/nothing.js"), 404, "not-found"),
        (await client.get("/v1/live"), 422, "invalid-request"),
        (await client.put("/v1/facilities/x", content=b"0" * 2**20 + b"0"), 413, "body-too-large"),
        (await client.put("/v1/facilities/x", content=_chunks()), 413, "body-too-large"),
    ):
        assert response.status_code == status, response.request.url
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert body["type"] == f"urn:tonne:problem:{kind}"
        assert body["title"]
        assert body["detail"]


async def _chunks() -> Any:
    for _ in range(40):
        yield b"0" * 32_768


async def test_the_dashboards_files_are_cached_and_compressed(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    parts = page.text.split('"')
    (main,) = {part for part in parts if re.fullmatch(r"/assets/\w+/main\.js", part)}
    script = await client.get(main)
    assert script.headers["content-encoding"] == "gzip"
    assert "immutable" in script.headers["cache-control"]
    # while a release is rolled out, another edition is asked for, and its address is no promise
    for other in ("/assets/main.js", "/assets/0123456789abcdef/main.js"):
        answer = await client.get(other)
        assert (answer.text, answer.headers["cache-control"]) == (script.text, "no-cache")
    again = await client.get(main, headers={"If-None-Match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = await client.get(main, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


async def test_a_page_names_all_modules_before_a_browser_finds_them_one_by_one(
    client: httpx.AsyncClient,
) -> None:
    page = (await client.get("/history")).text
    named = re.findall(r'<link rel="modulepreload" href="(/assets/\w+/[\w-]+\.js)">', page)
    for address in named:
        text = (await client.get(address)).text
        imported = re.findall(r'^(?:import|export) [^;]*?"\./([\w-]+\.js)"', text, re.MULTILINE)
        assert {address.rpartition("/")[0] + "/" + name for name in imported} <= set(named)
    assert len(named) == len(set(named)) > 20


async def test_readiness_warns_of_what_quarantine_had_no_room_for(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    assert (await ready(client, connection))[1]["warnings"] == []
    connection.execute(
        'UPDATE process_progress SET state = \'{"shed": 12, "mostly_refused": true}\''
        " WHERE process = 'ingest'"
    )
    status, body = await ready(client, connection)
    assert (status, body["ready"]) == (200, True)
    full, limit = body["warnings"]
    assert "12" in full
    assert "discard" in full
    assert "more than half" in limit
    progress(connection, "ingest", 60)
    assert (await ready(client, connection))[1]["warnings"] == []


async def test_readiness_warns_of_alerts_that_are_not_told(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    for oldest_s, warned in ((5, False), (600, True)):
        connection.execute(
            "UPDATE process_progress SET state = jsonb_build_object('waiting', 3, 'oldest_s', %s)"
            " WHERE process = 'notify'",
            (oldest_s,),
        )
        status, body = await ready(client, connection)
        assert status == 200
        assert [
            ("3 notifications" in w, "tonne alerts waiting" in w) for w in body["warnings"]
        ] == ([(True, True)] if warned else [])
