"""Sparkplug's host says that it is online only while what it hears can be stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sensors_sim.sparkplug import EdgeNode
from services.core.runtime import broker_url
from services.core.store.registry import sparkplug_births
from services.ingest.resolve import Directory
from services.ingest.sources.inbox import Inbox
from services.ingest.sparkplug.door import Door
from tests.edge_node import Peer
from tests.patience import until
from tests.services import Mosquitto, server_directory

pytestmark = [pytest.mark.broker]


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with server_directory() as directory:
        server = Mosquitto(directory)
        server.start()
        yield server
        server.stop()


def test_a_host_whose_messages_nobody_takes_goes_offline_until_somebody_does(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the database is no matter of this test
    monkeypatch.setattr(sparkplug_births, "be_host", lambda _: True)
    monkeypatch.setattr(sparkplug_births, "stored", lambda _: [])
    inbox = Inbox(max_waiting=10)
    door = Door(
        broker_url.parse(f"mqtt://127.0.0.1:{broker.port}"),
        host_id="plant",
        inbox=inbox,
        reorder_timeout_s=1.0,
        hold_s=1.0,
    )
    directory = SimpleNamespace(edge_nodes=frozenset({("Linz", "Gateway")}))

    def take() -> None:
        inbox.receive(limit=10, gather_s=0, timeout_s=0)

    with Peer(broker.port, EdgeNode(group="Linz", edge_node="Gateway")) as peer:
        peer.connect(born=False)

        def says(online: bool, *, taking: bool) -> bool:
            if taking:
                take()
            return bool(peer.states()) and json.loads(peer.states()[-1])["online"] is online

        door.look(cast(Any, None), cast(Directory, directory))
        try:
            until(lambda: says(True, taking=True), "it is online", longest_pause_s=0.1)
            until(lambda: says(False, taking=False), "nobody takes its messages")
            until(lambda: says(True, taking=True), "somebody does again", longest_pause_s=0.1)
        finally:
            door.close()
        until(lambda: says(False, taking=False), "it has ended")
        timestamps = [json.loads(state)["timestamp"] for state in peer.states()]
        assert timestamps == sorted(timestamps)
