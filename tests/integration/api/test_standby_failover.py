"""A standby that becomes the primary: APIs read there alone, and from what follows it then."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from deploy.local import postgres_server
from tests.integration.api.standby_plant import (
    DATABASE,
    REFUSED,
    Pair,
    asking,
    pair,
    reads,
    standby_of,
    until_unused,
    until_used,
)
from tests.patience import until_async
from tests.services import server_directory
from tests.standby_server import StandbyServer, one

pytestmark = [pytest.mark.database, pytest.mark.timeout(400)]


def _any_of(both: Pair, attributes: str) -> str:
    """A URL of both servers, whichever of them is what now."""
    hosts = f"127.0.0.1:{both.primary.port},127.0.0.1:{both.standby.port}"
    user = postgres_server.SUPERUSER
    return f"postgresql://{user}@{hosts}/{DATABASE}?target_session_attrs={attributes}"


class _Reader:
    """Asks all the time for the newest message in quarantine."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.shown = 0
        self.statuses: set[int] = set()
        self.ends = False

    async def run(self) -> None:
        while not self.ends:
            answer = await self._client.get("/v1/quarantine?limit=1")
            self.statuses.add(answer.status_code)
            if answer.status_code == 200:
                newest = int(answer.json()[0]["id"])
                assert newest >= self.shown
                self.shown = newest

    async def until_shows(self, number: object) -> None:
        await until_async(lambda: self.shown == number, f"{number} is shown")


async def _answered_by_the_standby(app: FastAPI) -> None:
    before = reads("standby")
    await until_async(lambda: reads("standby") > before + 5, f"read ({standby_of(app).unused})")


async def test_reads_follow_a_failover_and_what_comes_after_it() -> None:
    with pair() as both, server_directory(for_postgres=True, in_memory=True) as directory:
        app = both.app(writes=_any_of(both, "read-write"), reads=_any_of(both, "standby"))
        async with asking(app) as client:
            reader = _Reader(client)
            reading = asyncio.create_task(reader.run())
            await until_used(app)
            await reader.until_shows(one(both.url, REFUSED))
            await _answered_by_the_standby(app)

            both.standby.catch_up()
            both.primary.kill()
            both.standby.promote()
            # there is one server, which is no standby
            await reader.until_shows(one(both.standby_url, REFUSED))
            await until_unused(app, "away")
            assert (await client.get("/healthz")).status_code == 200

            follows = StandbyServer(directory, both.standby)
            follows.port = both.primary.port
            follows.start()
            try:
                await until_used(app)
                await reader.until_shows(one(both.standby_url, REFUSED))
                await _answered_by_the_standby(app)
            finally:
                follows.stop()
            await reader.until_shows(one(both.standby_url, REFUSED))
            reader.ends = True
            await reading
    # while nobody is the primary the API says so
    assert reader.statuses <= {200, 503}


async def test_another_standby_that_goes_on_is_read_from_at_once_by_who_may_know() -> None:
    with pair() as both, server_directory(for_postgres=True, in_memory=True) as directory:
        third = StandbyServer(directory, both.primary)
        third.start()
        try:
            third.catch_up()
            both.primary.execute("GRANT pg_read_all_stats TO tonne_api")
            both.standby.catch_up()
            both.primary.kill()
            both.standby.promote()
            third.follow(both.standby)
            app = both.app(writes=both.standby_url, reads=third.url_of(DATABASE))
            async with asking(app) as client:
                # its next restartpoint, by which anybody knows, may be five minutes away
                await until_used(app)
                written = one(both.standby_url, REFUSED)
                answer = await client.get("/v1/quarantine?limit=1")
                assert answer.json()[0]["id"] == written
        finally:
            third.stop()
