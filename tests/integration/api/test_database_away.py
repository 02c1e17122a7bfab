"""Every call while the database is away, ends a connection, or only reads for now.

What cannot be answered for such a reason is answered with 503, what to do and when to ask again,
by whatever call, and never with 500: nothing of tonne failed. A new call is asked by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from services.api.app import create_app
from services.api.http.problems import MEDIA_TYPE
from services.api.specification import PATH
from services.core.runtime.settings import Settings
from services.core.store.database import connect
from tests.integration.api.server import serving
from tests.integration.api.test_limited_keys import BODIES, NAMES, NEEDED, hidden
from tests.patience import PATIENCE_S

__all__ = ["hidden"]

Connection = psycopg.Connection[Any]

#: What calls need that no name of the hidden facility stands for.
_VALUES = NEEDED | {
    "interval": "1h",
    "from": "2026-11-23",
    "to": "2026-11-24",
    "period": "2026-10",
    "year": "2026",
    "month": "2026-10",
    "query": "sum(tonne_co2_rate_kg_h)",
    "match[]": "tonne_co2_kg_total",
    "start": "1795456800",
    "end": "1795460400",
    "step": "60",
    "mn": "88888880000001",
}
#: Statements of a call before which its connection ends, as long as it makes as many.
_CUT_BEFORE = (1, 2, 3, 5, 8, 13, 21, 34)
_AWAY = "urn:tonne:problem:database-away"

pytestmark = [pytest.mark.usefixtures("hidden"), pytest.mark.timeout(300)]


def calls(
    *,
    of_methods: Callable[[str], bool] = lambda _: True,
    names: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Every call of the specification but the stream, about what there is of the facility.

    ``names``: of what there is, by parameter; those of the hidden facility if not said.
    """
    present = names or {name: of[0] for name, of in NAMES.items()}
    document = json.loads(PATH.read_text(encoding="utf-8"))
    for path, methods in sorted(document["paths"].items()):
        for method, call in methods.items():
            label = f"{method.upper()} {path}"
            if path == "/v1/stream" or not of_methods(method):
                continue
            parameters = call.get("parameters", [])
            known = {**present, **_VALUES}
            places = {p["name"]: known[p["name"]] for p in parameters if p["in"] == "path"}
            body = BODIES.get(label, {} if "requestBody" in call else None)
            yield {
                "method": method,
                "url": path.format(**places),
                "params": {
                    p["name"]: known[p["name"]]
                    for p in parameters
                    if p["in"] == "query"
                    and (p.get("required") or p["name"] in {"facility", "from", "to"})
                    and p["name"] in known
                },
                **({} if body is None else {"json": body}),
            }


def _assert_may_be_asked_again(response: httpx.Response, call: dict[str, Any]) -> None:
    what = (call["method"], call["url"], response.status_code, response.text)
    assert response.status_code != 500, what
    if response.status_code == 503 and call["url"] != "/readyz":
        assert int(response.headers["retry-after"]) > 0, what


def _conninfo(connection: Connection, **changed: str) -> str:
    """Where a connection leads, with what is to be changed of it."""
    return make_conninfo(connection.info.dsn, password=connection.info.password, **changed)


def _end_connections(beside: Connection, database: str) -> None:
    beside.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = %s AND pid <> pg_backend_pid()",
        (database,),
    )


class _Cutting:
    """Ends the API's connection before its statement of a number, as the server would."""

    def __init__(self, admin: Connection) -> None:
        self._admin = admin
        self._own = admin.info.backend_pid
        self.left = 0

    def before(self, connection: psycopg.BaseConnection[Any]) -> None:
        """A statement is about to be sent."""
        pid = connection.info.backend_pid
        if pid == self._own or not self.left:
            return
        self.left -= 1
        if not self.left:
            self._admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@pytest.fixture
def cutting(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> _Cutting:
    cut = _Cutting(connection)
    waiting, at_once = psycopg.AsyncCursor.execute, psycopg.Cursor.execute

    async def execute_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        cut.before(self.connection)
        return await waiting(self, *args, **kwargs)

    def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        cut.before(self.connection)
        return at_once(self, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", execute_async)
    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    return cut


async def test_a_connection_that_ends_before_a_statement_is_no_fault_of_tonne(
    client: httpx.AsyncClient, cutting: _Cutting
) -> None:
    asked = cut = 0
    for call in calls(of_methods=lambda method: method == "get"):
        for number in _CUT_BEFORE:
            cutting.left = number
            response = await client.request(**call)
            _assert_may_be_asked_again(response, call)
            if cutting.left:
                break
            cut += 1
        cutting.left = 0
        asked += 1
    assert cut > asked > 60


async def test_a_server_that_ends_what_it_opens_is_away(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each connection, also the one that is opened in place of one that ended
    monkeypatch.setattr(connect, "has_ended", lambda _connection: True)
    for path in ("/v1/facilities", "/v1/emissions", "/v1/thresholds"):
        response = await client.get(path)
        assert (response.status_code, response.json()["type"]) == (503, _AWAY), path


async def test_no_call_fails_while_the_database_lets_nobody_in(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    assert (await client.get("/v1/live?facility=secretworks")).status_code == 200
    name = sql.Identifier(connection.info.dbname)
    with psycopg.connect(_conninfo(connection, dbname="postgres"), autocommit=True) as beside:
        beside.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        _end_connections(beside, connection.info.dbname)
        refused = 0
        for call in calls():
            response = await client.request(**call)
            _assert_may_be_asked_again(response, call)
            refused += response.status_code == 503
        assert refused > 60
        beside.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    # nothing of the process has ended meanwhile
    assert (await client.get("/v1/live?facility=secretworks")).status_code == 200


async def test_no_call_fails_on_a_schema_of_another_version(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    connection.execute("UPDATE alembic_version SET version_num = '0001'")
    told = set()
    for call in calls():
        response = await client.request(**call)
        _assert_may_be_asked_again(response, call)
        if response.status_code == 503 and response.headers["content-type"] == MEDIA_TYPE:
            told.add(response.json()["detail"])
    assert any("run `tonne migrate`" in detail for detail in told), told


async def test_no_change_fails_on_a_database_that_only_reads_for_now(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    # as a standby does that a failover has not made the primary yet
    connection.execute(
        sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(
            sql.Identifier(connection.info.dbname)
        )
    )
    refused = []
    for call in calls(of_methods=lambda method: method != "get"):
        response = await client.request(**call)
        _assert_may_be_asked_again(response, call)
        if response.status_code == 503:
            refused.append(response.json()["type"])
    assert refused.count(_AWAY) > 5, refused


@pytest.mark.parametrize("path", ["/v1/restatements", "/v1/emissions?from=2026-11-23&interval=1h"])
async def test_a_call_that_is_given_up_in_the_midst_of_its_reading_is_too_slow(
    settings: Settings, connection: Connection, path: str
) -> None:
    impatient = settings.model_copy(update={"api_request_timeout_s": 1.0})
    async with (
        serving(create_app(impatient)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        with connection.transaction():
            connection.execute("LOCK TABLE emission_hour, emission_hour_history")
            response = await client.get(path)
        assert (response.status_code, response.json()["type"]) == (
            503,
            "urn:tonne:problem:too-slow",
        )
        _assert_may_be_asked_again(response, {"method": "get", "url": path})
        # its connection is whole, or was given away
        assert (await client.get(path)).status_code == 200
