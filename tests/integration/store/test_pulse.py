"""What a pulse finds out about a database that hangs, and about one beside it that does not."""

from __future__ import annotations

import asyncio
import re
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from structlog.testing import capture_logs

from services.api.presence import Presence
from services.core.runtime import tasks
from services.core.store.database.connect import connect
from services.core.store.database.pulse import Patience, Pulse
from tests.patience import until_async
from tests.services import Postgres

pytestmark = pytest.mark.database


class _Heard:
    """What was notified, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def alive(self) -> None:
        self.said.append("alive")

    def silent(self) -> None:
        self.said.append("silent")

    def refuses(self) -> None:
        self.said.append("refuses")

    def hangs(self) -> None:
        self.said.append("hangs")

    def gives_up(self) -> None:
        self.said.append("gives up")

    def cut(self, connections: int) -> None:
        self.said.append(f"cut {connections}")


@contextmanager
def _mute() -> Iterator[int]:
    """A port at which connections are taken, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@asynccontextmanager
async def _felt(url: str, patience: Patience, heard: _Heard | None = None) -> AsyncIterator[_Heard]:
    heard = heard or _Heard()
    watching = asyncio.create_task(Pulse(url, heard, patience=patience, process="test").watch())
    try:
        yield heard
    finally:
        await tasks.end(watching)


async def test_a_server_that_hangs_keeps_nobody_from_the_next_one_that_the_url_names(
    postgres_cluster: Postgres,
) -> None:
    """As after a failover: the primary of before takes connections, and answers nothing."""
    url = postgres_cluster.url
    with _mute() as port:
        both = url.replace("@127.0.0.1:", f"@127.0.0.1:{port},127.0.0.1:")
        async with _felt(both, Patience(answers_within_s=0.2, cut_after_s=0.2)) as heard:
            await until_async(
                lambda: "alive" in heard.said, "it answers", explain=lambda: str(heard.said)
            )
            assert heard.said[0] == "hangs"


async def test_a_server_that_hangs_alone_is_said_to_hang() -> None:
    with _mute() as port:
        url = f"postgresql://tonne@127.0.0.1:{port}/postgres"
        async with _felt(url, Patience(answers_within_s=0.2, cut_after_s=0.2)) as heard:
            await until_async(
                lambda: heard.said[:2] == ["hangs", "gives up"],
                "it says so",
                explain=lambda: str(heard.said),
            )


class _Faulty(_Heard):
    """Has a fault that nobody thought of, twice."""

    faults = 2

    def hangs(self) -> None:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("a fault of our own")
        super().hangs()


async def test_a_pulse_with_a_fault_of_its_own_goes_on_and_says_so() -> None:
    """A database that hangs later would be noticed by nobody else."""
    with _mute() as port, capture_logs() as logged:
        url = f"postgresql://tonne@127.0.0.1:{port}/postgres"
        patience = Patience(answers_within_s=0.2, cut_after_s=0.2)
        async with _felt(url, patience, _Faulty()) as heard:
            await until_async(
                lambda: heard.said[:2] == ["hangs", "gives up"],
                "it is found out all the same",
                explain=lambda: str(heard.said),
            )
    assert [entry["event"] for entry in logged].count("database_pulse_failed") == _Faulty.faults


async def test_a_server_that_refuses_has_answered_and_what_is_open_stays_open(
    postgres_cluster: Postgres, database_url: str
) -> None:
    """As where every connection that the server has room for is taken."""
    role = f"few_{uuid.uuid4().hex[:8]}"
    postgres_cluster.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
    url = re.sub("//[^@]*@", f"//{role}@", database_url)
    try:
        with connect(url, process="test", autocommit=True) as working:
            async with _felt(url, Patience(answers_within_s=0.2, cut_after_s=0.2)) as heard:
                await until_async(
                    lambda: heard.said.count("silent") >= 3,
                    "it was refused again and again",
                    explain=lambda: str(heard.said),
                )
            assert working.execute("SELECT 1").fetchone() == (1,)
            assert "gives up" not in heard.said
    finally:
        postgres_cluster.execute(f"DROP ROLE {role}")


async def test_one_that_refuses_after_a_while_hangs_no_more() -> None:
    """As a busy server whose connections are all taken: nobody was served by those of the API."""
    goes_on = asyncio.Event()
    said = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await goes_on.wait()
        writer.write(b"E" + (4 + len(said)).to_bytes(4) + said)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://tonne@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"
        presence = Presence("home", url)
        patience = Patience(answers_within_s=0.2, cut_after_s=0.2)
        watching = asyncio.create_task(
            Pulse(url, presence, patience=patience, process="test").watch()
        )
        try:
            await until_async(lambda: presence.is_hanging, "it hangs")
            goes_on.set()
            await until_async(lambda: not presence.is_hanging, "it does not")
            assert presence.is_away
        finally:
            await tasks.end(watching)
