"""Alerts and heartbeats at the facility's own topics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import SecretStr

from services.core.runtime.mqtt_client import MqttClient
from services.core.store.database.progress import ProgressReporter
from tests.integration.notify.harness import Make, notifier, until
from tests.patience import pauses
from tests.services import Mosquitto, Nats, UnsyncedNats, server_directory

pytestmark = [pytest.mark.database, pytest.mark.broker]


@pytest.fixture
def broker() -> Iterator[Nats]:
    """One that no other test has left retained messages in."""
    with server_directory() as directory:
        server = UnsyncedNats(directory)
        server.start()
        yield server
        server.kill()


class Listener:
    """A client that subscribes to a facility's alerts; what it hears, by topic."""

    def __init__(self, broker: Nats) -> None:
        self.heard: dict[str, list[tuple[bool, Any]]] = {}
        self._client = MqttClient(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe("emissions/works/alerts/#", 1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        name = message.topic.rpartition("/")[2]
        self.heard.setdefault(name, []).append((message.retain, json.loads(message.payload)))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()


@pytest.fixture
def listen(broker: Nats) -> Iterator[Any]:
    made: list[Listener] = []

    def listener() -> Listener:
        made.append(Listener(broker))
        return made[-1]

    yield listener
    for each in made:
        each.close()


async def test_the_newest_message_of_each_alert_is_retained(
    make: Make, broker: Nats, listen: Any
) -> None:
    works = make("[]")
    works.tell("firing", "resolved", threshold="over")
    works.tell("firing", threshold="stays")
    async with notifier(works.url, mqtt_url=SecretStr(broker.url)):
        await until(lambda: works.waiting() == 0, "everything is told")
        # what is acknowledged is retained a moment later: who subscribes then hears so
        newest = {"over": [(True, "resolved")], "stays": [(True, "firing")]}
        for pause_s in pauses():
            late = listen()
            await until(lambda heard=late.heard: len(heard) == 2, "it hears of both")
            heard = {name: [(r, b["kind"]) for r, b in all_] for name, all_ in late.heard.items()}
            if heard == newest:
                break
            await asyncio.sleep(pause_s)
        assert heard == newest
        # the broker goes away and comes back
        broker.kill()
        works.tell("resolved", threshold="stays")
        await until(lambda: works.outbox()[-1][1] >= 1, "it was tried")
        broker.start()
        await until(lambda: works.waiting() == 0, "it is told after all")


async def test_a_heartbeat_beats_while_alerts_can_arise(
    make: Make, broker: Nats, listen: Any
) -> None:
    works = make("[{mqtt: true, heartbeat: 10}]")
    listener = listen()
    async with notifier(works.url, mqtt_url=SecretStr(broker.url)):
        works.tell("firing")
        await until(lambda: "high" in listener.heard, "alerts are told")
        assert "_heartbeat" not in listener.heard

        def beats() -> bool:
            # what a process said ten seconds ago counts no more
            for process in ("ingest", "aggregator"):
                ProgressReporter(process).report(works.connection, {"broker": "connected"})
            return "_heartbeat" in listener.heard

        await until(beats, "it beats")
    _, beat = listener.heard["_heartbeat"][0]
    assert (beat["kind"], beat["facility"], beat["every_s"]) == ("heartbeat", "works", 10)


class _ReadOnly(Mosquitto):
    """Lets everybody read everything, and publish nothing of facility works."""

    def listeners(self) -> str:
        rights = self.directory / "rights.acl"
        rights.write_text("topic read #\ntopic deny emissions/works/#\n")
        return f"acl_file {rights}\n"


@pytest.fixture
def read_only() -> Iterator[Mosquitto]:
    with server_directory() as directory:
        server = _ReadOnly(directory)
        server.start()
        yield server
        server.kill()


async def test_what_the_broker_refuses_to_publish_is_not_taken_for_told(
    make: Make, read_only: Mosquitto
) -> None:
    works = make("[]")
    works.tell("firing")
    async with notifier(works.url, mqtt_url=SecretStr(read_only.url)):
        ((_, _, why),) = await until(
            lambda: [row for row in works.outbox() if row[1]], "it was tried"
        )
        assert "the broker refused it: Not authorized" in why
        assert "give the user of TONNE_MQTT_URL the right to publish" in why
        assert works.waiting() == 1


async def test_a_fixed_version_that_the_broker_does_not_speak_is_named(
    make: Make, broker: Nats
) -> None:
    works = make("[]")
    works.tell("firing")
    async with notifier(works.url, mqtt_url=SecretStr(broker.url), mqtt_version="5"):
        ((_, _, why),) = await until(
            lambda: [row for row in works.outbox() if row[1]], "it was tried"
        )
        assert "Unsupported protocol version" in why
