"""An API that reads from a standby answers as from the primary, whatever becomes of the standby."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from services.api import standby as api_standby
from services.api.standby import AskPrimaryError, Place, Standby, place
from services.core.runtime import tasks
from tests.integration.api.standby_plant import (
    REFUSED,
    Pair,
    asking,
    fallbacks,
    pair,
    reads,
    standby_of,
    until_unused,
    until_used,
)
from tests.integration.api.test_cells_answers import CALLS, pages, plain
from tests.integration.api.test_database_away import calls
from tests.patience import PATIENCE_S, until, until_async
from tests.standby_server import demote, one

pytestmark = [pytest.mark.database, pytest.mark.timeout(400)]

#: What there is of the facilities.
_NAMES = {
    "facility": "linz",
    "source": "grid",
    "device": "pow1",
    "channel": "energy",
    "threshold": "site-rate",
    "maintenance": "none",
    "alert": "1",
    "replay": "1",
    "factor": "natural-gas",
    "label": "none",
    "number": "1",
    "candidate": "1",
    "upload": "8" * 32,
}


@pytest.fixture(scope="module")
def both() -> Iterator[Pair]:
    with pair() as made:
        yield made


@pytest.fixture(autouse=True)
def _a_busy_machine_begins_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_standby, "_BEGINS_WITHIN_S", 5.0)
    monkeypatch.setattr(api_standby, "_CATCHES_UP_WITHIN_S", 2.0)


@pytest.fixture
async def app(both: Pair) -> FastAPI:
    return both.app(reads=both.standby_url)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(app) as opened:
        await until_used(app)
        yield opened


def refuse(both: Pair) -> int:
    """Commit one more message in quarantine; its id."""
    return int(str(one(both.url, REFUSED)))


def take_away(both: Pair) -> None:
    """Delete what was refused, so that replay cannot let a read go on that may see it."""
    goes_on = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE usename = 'tonne_api' AND backend_xmin IS NOT NULL"
    )
    assert one(both.standby_url, goes_on)

    def ends_a_read() -> bool:
        refuse(both)
        with psycopg.connect(both.url, autocommit=True) as primary:
            primary.execute("DELETE FROM quarantine WHERE detail = 'x'")
            # leaves what somebody may see at the primary itself
            primary.execute("VACUUM quarantine")
        both.standby.catch_up()
        return not one(both.standby_url, goes_on)

    until(ends_a_read, "replay ends a read")


async def newest(client: httpx.AsyncClient) -> int:
    """The newest message in quarantine that an API shows."""
    answer = await client.get("/v1/quarantine?limit=1")
    assert answer.status_code == 200, answer.text
    return int(answer.json()[0]["id"])


def _body(answer: httpx.Response) -> tuple[int, str, Any]:
    """The answer without what tells which request it is of."""
    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        return answer.status_code, kind, plain(answer.json())
    return answer.status_code, kind, answer.text if kind.startswith("text/") else None


async def test_every_call_answers_as_from_the_primary(
    both: Pair, client: httpx.AsyncClient
) -> None:
    before, different, asked = reads("standby"), [], 0
    async with asking(both.app()) as single:
        for call in CALLS:
            if not call.startswith("/v1/audit"):
                # which tells of the calls before
                wanted, answered = await pages(single, call), await pages(client, call)
                if wanted != answered:
                    different.append((call, str(wanted)[:300], str(answered)[:300]))
        for call in calls(of_methods=lambda method: method == "get", names=_NAMES):
            if call["url"] in {"/metrics", "/readyz", "/v1/audit"}:
                continue
            of_one, of_other = await single.request(**call), await client.request(**call)
            asked += of_one.status_code == 200
            if _body(of_one) != _body(of_other):
                different.append((call["url"], of_one.text[:300], of_other.text[:300]))
    assert not different, different
    assert asked > 45
    assert reads("standby") - before > 150
    assert fallbacks("error") == 0


async def test_what_is_not_replayed_is_read_at_the_primary(
    both: Pair, app: FastAPI, client: httpx.AsyncClient
) -> None:
    first = refuse(both)
    assert await newest(client) == first
    both.standby.pause()
    try:
        behind = fallbacks("behind")
        written = refuse(both)
        assert await newest(client) == written
        assert fallbacks("behind") > behind
        notices = (await client.get("/readyz")).json()["notices"]
        assert [n["code"] for n in notices if n["process"] == "api"] == ["standby-unused"]
    finally:
        both.standby.resume()
    await until_used(app)
    at_standby = reads("standby")
    assert await newest(client) == written
    assert reads("standby") > at_standby


async def test_a_commit_that_the_primary_waits_with_is_not_shown(
    both: Pair, client: httpx.AsyncClient
) -> None:
    before = refuse(both)
    assert await newest(client) == before
    both.primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    both.primary.execute("SELECT pg_reload_conf()")
    until(
        lambda: one(both.url, "SHOW synchronous_standby_names") == "nobody", "commits are to wait"
    )
    written: list[int] = []
    committing = threading.Thread(target=lambda: written.append(refuse(both)))
    committing.start()
    try:
        shown = "SELECT max(id) FROM quarantine"
        await until_async(
            lambda: int(str(one(both.standby_url, shown))) > before, "the standby shows the commit"
        )
        ahead = fallbacks("ahead")
        assert await newest(client) == before
        assert fallbacks("ahead") == ahead + 1
    finally:
        both.primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
        both.primary.execute("SELECT pg_reload_conf()")
        committing.join(PATIENCE_S)
    assert await newest(client) == written[0]


async def test_two_commits_are_shown_in_one_order(both: Pair, client: httpx.AsyncClient) -> None:
    """Jepsen's long fork: one server shows the first commit alone, the other the second alone."""
    shown = (
        "SELECT array_agg(device.last_seen ORDER BY facility.slug) FROM device"
        " JOIN facility ON facility.id = device.facility_id WHERE device.slug = 'pow1'"
    )
    seen = (
        "UPDATE device SET last_seen = now() FROM facility WHERE facility.id = device.facility_id"
        " AND device.slug = 'pow1' AND facility.slug = '{}' RETURNING last_seen"
    )

    async def answers(of: httpx.AsyncClient) -> list[datetime | None]:
        devices = (await of.get("/v1/devices")).json()
        stated = {d["facility"]: d["last_seen"] for d in devices if d["device"] == "pow1"}
        return [
            None if (at := stated[name]) is None else datetime.fromisoformat(at)
            for name in ("graz", "linz")
        ]

    async with asking(both.app()) as single:
        before = await answers(single)
        assert await answers(client) == before
        both.primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        both.primary.execute("SELECT pg_reload_conf()")
        until(
            lambda: one(both.url, "SHOW synchronous_standby_names") == "nobody",
            "commits are to wait",
        )
        written: list[object] = []
        committing = threading.Thread(
            target=lambda: written.append(one(both.url, seen.format("graz")))
        )
        committing.start()
        try:
            await until_async(
                lambda: one(both.standby_url, shown) != before, "the standby shows the commit"
            )
            both.standby.pause()
            with psycopg.connect(both.url, autocommit=True) as other:
                other.execute("SET synchronous_commit = local")
                other.execute(seen.format("linz").encode())
            # that is the fork
            here, there = one(both.url, shown), one(both.standby_url, shown)
            assert isinstance(here, list)
            assert isinstance(there, list)
            assert here[0] == before[0] != there[0]
            assert here[1] != before[1] == there[1]
            # and nobody is shown it
            assert await answers(client) == here
            assert await answers(single) == here
        finally:
            both.standby.resume()
            both.primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
            both.primary.execute("SELECT pg_reload_conf()")
            committing.join(PATIENCE_S)
        assert await answers(client) == [written[0], here[1]]


async def test_who_asks_one_api_and_then_the_other_never_goes_back(
    both: Pair, app: FastAPI, client: httpx.AsyncClient
) -> None:
    ended = threading.Event()

    def write() -> None:
        with psycopg.connect(both.url, autocommit=True) as connection:
            while not ended.wait(0.002):
                connection.execute(REFUSED)

    async def read(clients: list[httpx.AsyncClient]) -> int:
        known = 0
        for turn in range(60):
            shown = await newest(clients[turn % 2])
            assert shown >= known
            known = shown
        return known

    writing = threading.Thread(target=write)
    async with asking(both.app()) as single:
        first, before = await newest(single), reads("standby")
        writing.start()
        try:
            seen = await asyncio.gather(*(read([client, single]) for _ in range(4)))
        finally:
            ended.set()
            writing.join(PATIENCE_S)
    assert min(seen) > first
    assert reads("standby") - before > 30, standby_of(app).unused


async def test_a_standby_that_stands_still_lets_nobody_wait(
    both: Pair, app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_standby, "_BEGINS_WITHIN_S", 0.5)
    database = app.state.context.database

    async def wait() -> None:
        place.set(Place())
        async with database.read() as connection:
            begun.set()
            await connection.exec_driver_sql("SELECT pg_sleep(600)")

    begun = asyncio.Event()
    waiting = asyncio.create_task(wait())
    assert await tasks.happens(begun, PATIENCE_S)
    both.standby.halt()
    try:
        written = refuse(both)
        assert await newest(client) == written
        await until_unused(app, "hangs")
        with pytest.raises(AskPrimaryError):
            await waiting
        assert await newest(client) == written
    finally:
        both.standby.go_on()
    await until_used(app)


@pytest.mark.usefixtures("client")
async def test_a_primary_that_stands_still_is_not_the_standbys_fault(
    both: Pair, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_standby, "_BEGINS_WITHIN_S", 0.5)
    standby = standby_of(app)
    looks, before = 0, fallbacks("hangs")

    async def look() -> None:
        nonlocal looks
        await plain_look()
        looks += 1

    plain_look = standby._look
    monkeypatch.setattr(standby, "_look", look)
    both.primary.halt()
    try:
        seen = looks
        await until_async(lambda: looks >= seen + 3, "it was looked for while the primary hangs")
        assert standby.unused is None
    finally:
        both.primary.go_on()
    await until_used(app)
    assert fallbacks("hangs") == before


async def test_a_standby_that_is_killed_is_used_again_when_it_is_back(
    both: Pair, app: FastAPI, client: httpx.AsyncClient
) -> None:
    both.standby.kill()
    try:
        written = refuse(both)
        assert await newest(client) == written
        await until_unused(app, "away")
    finally:
        both.standby.start()
    await until_used(app)
    assert await newest(client) == written


Happening = Callable[[psycopg.BaseConnection[Any]], None]


@pytest.fixture
def happening(
    both: Pair, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int, Happening], None]]:
    """Let something happen before the statement of a number that the standby is next sent."""
    left = [0]
    planned: list[Happening] = []
    at_once, waiting = psycopg.Cursor.execute, psycopg.AsyncCursor.execute

    def before(connection: psycopg.BaseConnection[Any]) -> None:
        is_reader = connection.info.user == "tonne_api"
        if not left[0] or not is_reader or connection.info.port != both.standby.port:
            return
        left[0] -= 1
        if not left[0]:
            planned.pop()(connection)

    async def execute_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        before(self.connection)
        return await waiting(self, *args, **kwargs)

    def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        before(self.connection)
        return at_once(self, *args, **kwargs)

    def plan(number: int, happens: Happening) -> None:
        left[0], planned[:] = number, [happens]

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", execute_async)
    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    yield plan
    left[0] = 0


@pytest.fixture
def cutting(
    both: Pair, happening: Callable[[int, Happening], None]
) -> Iterator[Callable[[int], None]]:
    """End the connection to the standby before its statement of a number, as the server would."""
    with psycopg.connect(both.standby_url, autocommit=True) as admin:

        def cut(connection: psycopg.BaseConnection[Any]) -> None:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))

        yield lambda number: happening(number, cut)


@pytest.mark.parametrize(
    "call",
    [
        "/v1/quarantine",
        "/v1/facilities/linz",
        "/v1/emissions?from=2026-11-23T16:00:00Z&to=2026-11-23T18:00:00Z&interval=1h",
        "/v1/explain?facility=graz&source=grid&hour=2026-11-23T17:00:00Z",
        "/v1/reports/emissions?period=2026-11&format=csv&table=totals",
    ],
)
async def test_a_read_that_the_standby_ends_begins_anew_at_the_primary(
    app: FastAPI, client: httpx.AsyncClient, cutting: Callable[[int], None], call: str
) -> None:
    wanted = _body(await client.get(call))
    assert wanted[0] == 200
    for number in range(1, 8):
        await until_used(app)
        cutting(number)
        assert _body(await client.get(call)) == wanted, number


async def test_what_replay_takes_away_is_read_at_the_primary(
    both: Pair, app: FastAPI, client: httpx.AsyncClient
) -> None:
    before = fallbacks("conflict")
    with both.standby.without_patience():
        refuse(both)
        await newest(client)

        async def read() -> None:
            place.set(Place())
            async with app.state.context.database.read() as connection:
                await connection.exec_driver_sql("SELECT count(*) FROM quarantine")
                take_away(both)
                await connection.exec_driver_sql("SELECT count(*) FROM quarantine")

        with pytest.raises(AskPrimaryError):
            await asyncio.create_task(read())
    assert fallbacks("conflict") == before + 1
    await until_used(app)
    assert (await client.get("/v1/quarantine")).status_code == 200


async def test_what_replay_takes_away_in_the_midst_of_a_request_is_no_error(
    both: Pair, client: httpx.AsyncClient, happening: Callable[[int, Happening], None]
) -> None:
    # the first connection is asked more
    written = refuse(both)
    assert await newest(client) == written
    with both.standby.without_patience():
        written, before = refuse(both), fallbacks("conflict")
        # after its snapshot was taken
        happening(2, lambda _: take_away(both))
        answer = await client.get("/v1/quarantine?limit=1")
    assert answer.status_code == 200, answer.text
    assert written not in [row["id"] for row in answer.json()]
    assert fallbacks("conflict") == before + 1


async def test_no_call_fails_by_a_conflict_with_replay(
    client: httpx.AsyncClient, happening: Callable[[int, Happening], None]
) -> None:
    def conflict(_: psycopg.BaseConnection[Any]) -> None:
        raise psycopg.errors.SerializationFailure(
            "canceling statement due to conflict with recovery"
        )

    before = fallbacks("conflict")
    different: list[tuple[str, int, str, str]] = []
    for call in calls(of_methods=lambda method: method == "get", names=_NAMES):
        if call["url"] in {"/metrics", "/readyz", "/v1/audit"}:
            continue
        wanted = _body(await client.request(**call))
        for number in (1, 2, 3, 4):
            happening(number, conflict)
            answered = _body(await client.request(**call))
            if answered != wanted:
                different.append((call["url"], number, str(answered)[:300], str(wanted)[:300]))
    assert not different, different
    assert fallbacks("conflict") - before > 100


async def test_another_timeline_is_never_read_from(both: Pair) -> None:
    """The last one: what it leaves is no standby any more."""
    both.standby.promote()
    promoted = both.app(reads=both.standby_url)
    async with asking(promoted) as client:
        await until_unused(promoted, "promoted")
        one(both.standby_url, REFUSED)
        lost = refuse(both)
        assert await newest(client) == lost
    # the primary of before has written what nobody else has, and comes back as it is
    one(both.url, "SELECT count(*) FROM (SELECT pg_logical_emit_message(false, 'x', repeat('x',"
        " 1000000)) FROM generate_series(1, 40)) AS written")  # fmt: skip
    refuse(both)
    both.primary.stop()
    demote(both.primary, follows="host=127.0.0.1 port=1")
    both.primary.start()
    assert one(both.url, "SELECT pg_is_in_recovery()")
    flushed = one(both.standby_url, "SELECT pg_current_wal_flush_lsn()::text")
    assert one(both.url, f"SELECT pg_last_wal_replay_lsn() > '{flushed}'::pg_lsn")
    diverged = both.app(writes=both.standby_url, reads=both.url)
    async with asking(diverged) as client:
        await until_unused(diverged, "timeline")
        assert await newest(client) == one(both.standby_url, "SELECT max(id) FROM quarantine")


async def test_a_read_that_nobody_waits_for_any_more_is_given_back(both: Pair) -> None:
    standby = Standby(both.standby_url, both.url, connections=1)
    standby.unused = None
    ended = asyncio.Event()

    async def end() -> None:
        ended.set()

    async with await psycopg.AsyncConnection.connect(both.standby_url) as driver:

        async def begin(_stage: object) -> tuple[None, api_standby._Read]:
            read = api_standby._Read(ending=end, driver=driver)
            standby._open.add(read)
            # whoever waits is told so and cancelled in the same turn
            asyncio.get_running_loop().call_soon(waiting.cancel)
            return None, read

        waiting = asyncio.create_task(standby._begun(begin))
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await tasks.happens(ended, PATIENCE_S)
        assert not standby._open
    await standby.close()
