"""In every shipped configuration what is the server's own is out of anybody's reach but tonne's."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator

import nats
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local import nats_server
from services.core.runtime.mqtt_client import MqttClient
from tests.contract.ingest.traffic import publish
from tests.patience import PATIENCE_S, until
from tests.services import Nats, server_directory

pytestmark = pytest.mark.broker

REQUESTS = (
    "$JS/API/STREAM/DELETE/$MQTT_msgs",
    "$JS/API/STREAM/PURGE/$MQTT_msgs",
    "$JS/API/STREAM/DELETE/$MQTT_sess",
    "$JS/API/STREAM/UPDATE/$MQTT_msgs",
    "$MQTT/msgs/emissions/linz/a/readings",
    "$MQTT/sess/x",
    "$SYS/REQ/SERVER/PING",
)


class ComposeNats(Nats):
    """With the files and variables of deploy/compose.yaml: nobody comes in without a name."""

    def __init__(self, directory: object) -> None:
        super().__init__(directory)  # type: ignore[arg-type]
        shipped = nats_server._SETTINGS.parent
        for name in ("tonne.conf", "nats-users.conf"):
            (self.directory / name).write_text((shipped / name).read_text())

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "NATS_ANYBODY": '""',
            "NATS_INGEST_PASSWORD": f'"{self.passwords.ingest}"',
            "NATS_NOTIFY_PASSWORD": f'"{self.passwords.notify}"',
        }


@pytest.fixture
def local() -> Iterator[Nats]:
    with server_directory() as directory:
        server = Nats(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def compose() -> Iterator[ComposeNats]:
    with server_directory() as directory:
        server = ComposeNats(directory)
        server.start()
        yield server
        server.stop()


async def _streams(url: str) -> dict[str, int]:
    client = await nats.connect(url)
    try:
        found = await client.jetstream().streams_info()
        return {each.config.name or "": each.state.messages for each in found}
    finally:
        await client.close()


def streams(server: Nats) -> dict[str, int]:
    return asyncio.run(_streams(server.nats_url))


def test_any_client_on_this_machine_reaches_the_devices_topics_and_nothing_else(
    local: Nats,
) -> None:
    listener = MqttClient(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
    heard: list[str] = []
    granted: list[int] = []
    listener.on_message = lambda _c, _u, m: heard.append(m.topic)
    listener.on_subscribe = lambda _c, _u, mid, _r, _p: granted.append(mid)
    listener.connect("127.0.0.1", local.port)
    listener.loop_start()
    try:
        for filter_ in ("#", "+/+/+/+", "$SYS/#", "$JS/#", "$MQTT/#"):
            listener.subscribe(filter_, 1)
        until(lambda: len(granted) == 5, "every subscription is answered")
        before = streams(local)
        for request in REQUESTS:
            publish(local.port, [(request, b"{}")])
        publish(local.port, [("emissions/linz/a/readings", b"{}")])
        until(lambda: "emissions/linz/a/readings" in heard, "what devices say is heard")
        assert not [topic for topic in heard if topic.startswith("$")]
        assert streams(local).keys() == before.keys() >= {"$MQTT_msgs", "$MQTT_sess"}
        assert streams(local)["$MQTT_sess"] >= before["$MQTT_sess"]
    finally:
        listener.disconnect()
        listener.loop_stop()
        listener.release()


@pytest.mark.parametrize("which", ["local", "compose"])
def test_nobody_speaks_nats_own_protocol_without_tonnes_password(
    which: str, request: pytest.FixtureRequest
) -> None:
    server: Nats = request.getfixturevalue(which)

    def lets_in(user: str, password: str) -> bool:
        """Whether NATS answers to a ping after this name and password."""
        named = {"user": user, "pass": password} if user else {}
        said = json.dumps({"verbose": False, "pedantic": False, "lang": "x", **named})
        with socket.create_connection(
            ("127.0.0.1", server.client_port), timeout=PATIENCE_S
        ) as wire:
            wire.sendall(f"CONNECT {said}\r\nPING\r\n".encode())
            answer = b""
            while b"PONG" not in answer and b"-ERR" not in answer:
                piece = wire.recv(4096)
                if not piece:
                    break
                answer += piece
        return b"PONG" in answer and b"-ERR" not in answer

    for user, password in (
        ("", ""),
        ("anybody", ""),
        ("anybody", "anybody"),
        ("tonne-ingest", "guessed"),
        ("eve", "eve"),
        # by MQTT only
        ("tonne-notify", server.passwords.notify),
        ("anybody", server.passwords.anybody),
    ):
        assert not lets_in(user, password), user
    assert lets_in("tonne-ingest", server.passwords.ingest)


def test_in_compose_nobody_comes_in_without_a_name(compose: ComposeNats) -> None:
    for user, password in ((None, None), ("anybody", ""), ("anybody", "anybody")):
        client = MqttClient(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        if user is not None:
            client.username_pw_set(user, password)
        ends: list[bool] = []
        client.on_connect = lambda _c, _u, _f, code, _p, ends=ends: ends.append(code.is_failure)
        client.on_disconnect = lambda *_, ends=ends: ends.append(True)
        client.connect("127.0.0.1", compose.port)
        client.loop_start()
        try:
            until(lambda ends=ends: ends, "the broker answers")
            assert ends[0]
        finally:
            client.disconnect()
            client.loop_stop()
            client.release()
