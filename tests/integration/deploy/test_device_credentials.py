"""`tonne devices credentials`: with its settings a device can speak for itself alone."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from services.cli import app
from services.core.runtime.mqtt_client import MqttClient
from services.core.store.connect import engine
from services.core.store.registry.apply import apply
from services.core.store.registry.facility_file import parse
from tests.contract.ingest.brokers import ImpatientNats
from tests.contract.ingest.traffic import until
from tests.services import Mosquitto, Server, server_directory

pytestmark = [pytest.mark.broker, pytest.mark.database]

FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: cems-1
    channels: [{id: co2, quantity: fraction, unit: "%", kind: gauge}]
  - id: cems-2
    channels: [{id: co2, quantity: fraction, unit: "%", kind: gauge}]
  - id: pow1
    topic: tele/pow1.a/SENSOR
    format: json
    channels: [{id: energy, from: E, quantity: energy, unit: kWh, kind: counter}]
"""


class _GuardedNats(ImpatientNats):
    def settings(self) -> str:
        return f"{super().settings()}include nats-users.conf\n"


class _GuardedMosquitto(Mosquitto):
    def command(self) -> list[str]:
        words = super().command()
        settings = self.directory / "mosquitto.conf"
        settings.write_text(
            settings.read_text().replace(
                "allow_anonymous true",
                f"allow_anonymous false\npassword_file {self.directory}/mosquitto-passwords\n"
                f"acl_file {self.directory}/mosquitto-acl",
            )
        )
        return words


@pytest.fixture
def registered(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONNE_DATABASE_URL", database_url)
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        apply(connection, parse(FILE))
    bind.dispose()


def made(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["devices", "credentials", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@contextmanager
def connected(server: Server, user: str, password: str) -> Iterator[MqttClient]:
    client = MqttClient(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.username_pw_set(user, password)
    codes: list[bool] = []
    client.on_connect = lambda _c, _u, _f, code, _p: codes.append(code.is_failure)
    client.connect("127.0.0.1", server.port)
    client.loop_start()
    try:
        until(lambda: codes, "the broker answers")
        assert codes == [False]
        yield client
    finally:
        client.disconnect()
        client.loop_stop()
        client.release()


@pytest.mark.parametrize(
    ("broker", "guarded"), [("nats", _GuardedNats), ("mosquitto", _GuardedMosquitto)]
)
def test_a_device_speaks_for_itself_alone(
    registered: None, broker: str, guarded: Callable[[Path], Server]
) -> None:
    del registered
    with server_directory() as directory:
        output = made("--broker", broker, "--into", str(directory))
        passwords = dict(line.split() for line in output.splitlines() if "#" not in line)
        assert set(passwords) == {"tonne", "cems-1", "cems-2", "pow1"}
        server = guarded(directory)
        server.start()
        heard: list[tuple[str, bytes]] = []
        try:
            with connected(server, "tonne", passwords["tonne"]) as tonne:
                subscribed: list[int] = []
                tonne.on_message = lambda _c, _u, m: heard.append((m.topic, m.payload))
                tonne.on_subscribe = lambda _c, _u, mid, _r, _p: subscribed.append(mid)
                tonne.subscribe([("emissions/#", 1), ("tele/#", 1)])
                until(lambda: subscribed, "tonne listens")
                for user, topic, payload in (
                    ("cems-1", "emissions/linz/cems-2/readings", b"forged"),
                    ("cems-1", "emissions/linz/cems-2/status", b"forged"),
                    ("cems-1", "tele/pow1.a/SENSOR", b"forged"),
                    ("pow1", "emissions/linz/cems-1/readings", b"forged"),
                    ("cems-1", "emissions/linz/cems-1/status", b"online"),
                    ("cems-1", "emissions/linz/cems-1/readings", b"own"),
                    ("pow1", "tele/pow1.a/SENSOR", b"own"),
                ):
                    with connected(server, user, passwords[user]) as device:
                        # a broker may acknowledge what it drops, or close the connection
                        done = device.publish(topic, payload, qos=1)
                        until(
                            lambda device=device, done=done: (
                                done.is_published() or not device.is_connected()
                            ),
                            "the broker answers",
                        )
                until(lambda: len(heard) >= 3, "what is allowed arrives")
        finally:
            server.stop()
        assert sorted(heard) == [
            ("emissions/linz/cems-1/readings", b"own"),
            ("emissions/linz/cems-1/status", b"online"),
            ("tele/pow1.a/SENSOR", b"own"),
        ]
        for file in directory.glob(f"{broker}-*"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert not any(password in file.read_text() for password in passwords.values())


@pytest.mark.usefixtures("registered")
def test_one_device_gets_new_credentials_alone() -> None:
    output = made("cems-2", "--broker", "mosquitto")
    assert "topic write emissions/linz/cems-2/readings" in output
    assert "cems-1" not in output
    assert "tonne" not in output


@pytest.mark.usefixtures("registered")
def test_files_with_passwords_in_use_are_not_overwritten(tmp_path: Path) -> None:
    arguments = ["devices", "credentials", "--broker", "nats", "--into", str(tmp_path)]
    made(*arguments[2:])
    before = (tmp_path / "nats-users.conf").read_text()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "is there already" in result.output
    assert (tmp_path / "nats-users.conf").read_text() == before


@pytest.mark.usefixtures("registered")
def test_a_device_that_is_not_registered_gets_none() -> None:
    result = CliRunner().invoke(app, ["devices", "credentials", "nobody", "--broker", "nats"])
    assert result.exit_code == 1
    assert "apply its facility file first" in result.output
