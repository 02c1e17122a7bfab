"""Three servers of NATS as one cluster: another one delivers where the one that does lacks data."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import (
    ClusterInfo,
    ConsumerConfig,
    ConsumerInfo,
    PeerInfo,
    SequenceInfo,
    StreamConfig,
    StreamInfo,
    StreamState,
)

from services.ingest.sources.jetstream.durable import STREAM, Durable, Memory
from services.ingest.sources.jetstream.leadership import Leadership, let_lead
from tests.contract.ingest.traffic import publish
from tests.patience import pauses
from tests.services import UnsyncedNats, free_port, server_directory

pytestmark = pytest.mark.broker

NAME = "tonne-ingest"

Answer = TypeVar("Answer")


class Member(UnsyncedNats):
    """A server of a cluster, by the shipped settings of one."""

    def __init__(self, directory: Path, name: str, cluster_port: int, routes: list[int]) -> None:
        super().__init__(directory)
        self._name = name
        self._cluster_port = cluster_port
        shipped = Path(__file__).parents[3] / "deploy" / "nats" / "cluster.conf"
        (directory / "cluster.conf").write_text(shipped.read_text())
        addresses = [f"nats://cluster:secret@127.0.0.1:{port}" for port in routes]
        (directory / "cluster-routes.conf").write_text(
            f"routes: {json.dumps(addresses)}\n"
            "authorization { user: cluster, password: secret }\n"
        )

    def command(self) -> list[str]:
        *words, settings = super().command()
        (self.directory / "tonne.conf").write_text(Path(settings).read_text())
        return [*words, str(self.directory / "cluster.conf")]

    def environment(self) -> dict[str, str]:
        own = {"NATS_SERVER_NAME": self._name, "NATS_CLUSTER_PORT": str(self._cluster_port)}
        return {**super().environment(), **own}


@pytest.fixture(scope="module")
def members() -> Iterator[list[Member]]:
    """Started together: none of them is a cluster by itself."""
    with ExitStack() as stack:
        folders = [stack.enter_context(server_directory()) for _ in range(3)]
        ports = [free_port() for _ in folders]
        made = [
            Member(folder, f"store-{i}", port, ports)
            for i, (folder, port) in enumerate(zip(folders, ports, strict=True), 1)
        ]
        for member in made[1:]:
            # the same accounts
            shutil.copy(folders[0] / "broker-passwords.json", member.directory)
            for file in folders[0].glob("nats-*.conf"):
                shutil.copy(file, member.directory)
            member.passwords = made[0].passwords
        for member in made:
            stack.callback(member.kill)
            member.start()
        yield made


@pytest.fixture
async def client(members: list[Member]) -> AsyncIterator[Client]:
    opened = await nats.connect(members[0].nats_url)
    yield opened
    await opened.close()


async def asked(question: Callable[[], Awaitable[Answer | None]], what: str) -> Answer:
    """Return what a cluster answers once it does: it elects leaders meanwhile, and refuses."""
    refusal: object = "nothing"
    for pause_s in pauses():
        try:
            if (answer := await question()) is not None:
                return answer
        except nats.errors.Error as error:
            refusal = error
        await asyncio.sleep(pause_s)
    pytest.fail(f"never: {what}; the last refusal was {refusal!r}")


async def test_a_server_that_is_asked_to_leads_the_consumer(
    members: list[Member], client: Client
) -> None:
    durable = Durable(client, NAME, ack_wait_s=10, memory=Memory())
    await asked(lambda: durable.ensure(frozenset({"emissions.>"})), "the consumer is made")
    stream = client.jetstream()

    async def leader() -> str | None:
        info = await stream.consumer_info(STREAM, NAME)
        return (info.cluster and info.cluster.leader) or None

    first = await asked(leader, "somebody leads the consumer")
    wanted = next(name for name in ("store-1", "store-2", "store-3") if name != first)

    async def leads() -> bool | None:
        present = await leader()
        if present not in {None, wanted}:
            # they may elect another one all the same: then the next look asks again
            await let_lead(client, STREAM, NAME, wanted)
        return True if present == wanted else None

    await asked(leads, f"{wanted} leads it")
    # what comes then is delivered
    await asyncio.to_thread(publish, members[0].port, [("emissions/linz/a/readings", b"1")])
    subscription = await stream.pull_subscribe_bind(NAME, STREAM)
    # who leads it next knows nothing of what was asked of the one before
    (message,) = await asked(lambda: subscription.fetch(1, timeout=5), "it is delivered")
    assert message.data == b"1"


def looked(
    leadership: Leadership,
    *,
    last: int,
    delivered: int,
    pending: int = 0,
    lag: int = 0,
    current: bool = True,
    clustered: bool = True,
) -> str:
    """Look at a consumer that store-2 leads, of a stream that store-1 does."""
    copies = [
        PeerInfo(name="store-2", current=current, lag=lag),
        PeerInfo(name="store-3", current=False, lag=900),
    ]
    cluster = ClusterInfo(leader="store-1", replicas=copies) if clustered else None
    stream = StreamInfo(
        config=StreamConfig(name=STREAM),
        state=StreamState(messages=1, bytes=1, first_seq=1, last_seq=last, consumer_count=1),
        cluster=cluster,
    )
    consumer = ConsumerInfo(
        name=NAME,
        stream_name=STREAM,
        config=ConsumerConfig(),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        delivered=SequenceInfo(consumer_seq=1, stream_seq=delivered),
        num_pending=pending,
        cluster=ClusterInfo(leader="store-2") if clustered else None,
    )
    return leadership.better(stream, consumer)


def test_a_server_that_lacks_what_others_have_is_to_lead_no_longer() -> None:
    leadership = Leadership()
    assert looked(leadership, last=9, delivered=5, current=False, lag=7000) == ""
    # nothing came since
    assert looked(leadership, last=12, delivered=5, current=False, lag=7000) == "store-1"
    # it is not asked at each look
    assert looked(leadership, last=12, delivered=5, current=False, lag=7000) == ""


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"current": True}, id="it has all, and what is newer is for others"),
        pytest.param({"pending": 3, "current": False}, id="it knows what waits"),
        pytest.param({"last": 5, "current": False}, id="all was delivered"),
        pytest.param({"clustered": False}, id="there is one server"),
    ],
)
def test_a_server_that_may_be_right_goes_on(said: dict[str, int]) -> None:
    leadership = Leadership()
    asked = {"last": 9, "delivered": 5, **said}
    assert [looked(leadership, **asked) for _ in range(3)] == ["", "", ""]


def test_a_copy_that_is_behind_for_a_moment_is_left_alone() -> None:
    leadership = Leadership()
    for delivered in range(5, 8):
        assert looked(leadership, last=9, delivered=delivered, lag=2) == ""
