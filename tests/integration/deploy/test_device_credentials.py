"""`tonne devices credentials`: with its settings a device can speak for itself alone."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nats
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from services.cli import app
from services.core.facility.file import parse
from services.core.runtime.mqtt_client import MqttClient
from services.core.store.database.connect import engine
from services.core.store.registry import grants
from services.core.store.registry.apply import apply
from tests.contract.ingest.brokers import ImpatientNats
from tests.integration.ingest.plant import Plant
from tests.patience import PATIENCE_S, until
from tests.services import Mosquitto, Server, as_login, server_directory

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
factors:
  - {id: grid-at, kind: series, unit: kWh, basis: location, citation: operator}
"""

#: Another site, set up alike.
GRAZ = """
facility: {id: graz, name: Graz works, timezone: Europe/Vienna}
devices:
  - id: cems-1
    channels: [{id: co2, quantity: fraction, unit: "%", kind: gauge}]
"""


class _GuardedNats(ImpatientNats):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        # in the place of the one for a machine of one's own
        made = directory / "made" / "nats-users.conf"
        (directory / made.name).write_text(made.read_text())

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "NATS_ANYBODY": '""'}


class _GuardedMosquitto(Mosquitto):
    def command(self) -> list[str]:
        words = super().command()
        settings = self.directory / "mosquitto.conf"
        settings.write_text(
            settings.read_text().replace(
                "allow_anonymous true",
                (self.directory / "made" / "mosquitto-users.conf").read_text(),
            )
        )
        return words


@pytest.fixture
def registered(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(database_url, "tonne_admin"))
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        apply(connection, parse(FILE))
        apply(connection, parse(GRAZ))
        granted = "emissions/_shared/factors/zone-fr"
        grants.grant(connection, "graz", "topic", granted, by="user test")
    bind.dispose()


def made(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["devices", "credentials", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def passwords_of(output: str) -> list[str]:
    """The lines with a user and its password."""
    return output.split("shown this once\n")[1].splitlines()


@contextmanager
def connected(
    server: Server, user: str, password: str, *, client_id: str = ""
) -> Iterator[MqttClient]:
    client = MqttClient(
        CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False
    )
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


def refuses(server: Server, user: str | None, password: str | None) -> bool:
    """Whether the broker lets nobody in by this name and password."""
    client = MqttClient(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    if user is not None:
        client.username_pw_set(user, password)
    ends: list[bool] = []
    client.on_connect = lambda _c, _u, _f, code, _p: ends.append(code.is_failure)
    client.on_disconnect = lambda *_: ends.append(True)
    client.connect("127.0.0.1", server.port)
    client.loop_start()
    try:
        until(lambda: ends, "the broker answers")
        return ends[0]
    finally:
        client.disconnect()
        client.loop_stop()
        client.release()


BROKERS = pytest.mark.parametrize(
    ("broker", "guarded"), [("nats", _GuardedNats), ("mosquitto", _GuardedMosquitto)]
)


@dataclass
class Guarded:
    """A broker under the settings that were made for it, and every password."""

    server: Server
    passwords: dict[str, str]
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, user: str, topic: str, payload: bytes, *, client_id: str = "") -> None:
        """Publish as a device; a broker may acknowledge what it drops, or hang up."""
        with connected(self.server, user, self.passwords[user], client_id=client_id) as device:
            done = device.publish(topic, payload, qos=1)
            until(lambda: done.is_published() or not device.is_connected(), "the broker answers")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear all that devices say, as ingest does."""
        with connected(
            self.server, "tonne-ingest", self.passwords["tonne-ingest"], client_id="listener"
        ) as tonne:
            subscribed: list[int] = []
            tonne.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload))
            tonne.on_subscribe = lambda _c, _u, mid, _r, _p: subscribed.append(mid)
            tonne.subscribe("#", 1)
            until(lambda: subscribed, "tonne listens")
            yield


@contextmanager
def guarding(broker: str, guarded: Callable[[Path], Server]) -> Iterator[Guarded]:
    with server_directory() as directory:
        made_there = directory / "made"
        made_there.mkdir()
        # Debian's mosquitto, started by root, goes on as another user
        output = made("--broker", broker, "--into", str(made_there))
        passwords = dict(line.split() for line in output.splitlines() if "#" not in line)
        for file in made_there.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert not any(password in file.read_text() for password in passwords.values())
        server = guarded(directory)
        server.start()
        try:
            yield Guarded(server, passwords)
        finally:
            server.stop()


@BROKERS
def test_a_device_speaks_for_itself_alone(
    registered: None, broker: str, guarded: Callable[[Path], Server]
) -> None:
    del registered
    with guarding(broker, guarded) as there:
        assert set(there.passwords) == {
            "tonne-ingest", "tonne-notify", "tonne-discovery", "tonne-factors", "home-assistant",
            "linz._factors",
            "graz._factors", "graz.cems-1", "linz.cems-1", "linz.cems-2", "linz.pow1",
        }  # fmt: skip
        with there.listening():
            for user, topic, payload in (
                ("linz.cems-1", "emissions/linz/cems-2/readings", b"forged"),
                ("linz.cems-1", "emissions/linz/cems-2/status", b"forged"),
                ("linz.cems-1", "emissions/linz/alerts/limit", b"forged"),
                ("linz.cems-1", "emissions/linz/totals", b"forged"),
                ("linz.cems-1", "homeassistant/device/tonne_linz/config", b"forged"),
                ("home-assistant", "emissions/linz/totals", b"forged"),
                ("home-assistant", "homeassistant/device/tonne_linz/config", b"forged"),
                # of the same id at another site
                ("graz.cems-1", "emissions/linz/cems-1/readings", b"forged"),
                ("linz.cems-1", "emissions/graz/cems-1/readings", b"forged"),
                ("linz.cems-1", "emissions/graz/cems-1/status", b"forged"),
                ("linz.cems-1", "tele/pow1.a/SENSOR", b"forged"),
                ("linz.pow1", "emissions/linz/cems-1/readings", b"forged"),
                ("tonne-notify", "emissions/linz/cems-1/readings", b"forged"),
                ("tonne-notify", "emissions/linz/alerts/limit", b"told"),
                ("tonne-notify", "emissions/linz/totals", b"told"),
                ("tonne-notify", "homeassistant/device/tonne_linz/config", b"told"),
                ("linz.cems-1", "emissions/linz/cems-1/status", b"online"),
                ("linz.cems-1", "emissions/linz/cems-1/readings", b"own"),
                ("linz.pow1", "tele/pow1.a/SENSOR", b"own"),
                ("graz.cems-1", "emissions/graz/cems-1/readings", b"own"),
                ("linz.cems-1", "emissions/linz/factors/grid-at/values", b"forged"),
                ("graz._factors", "emissions/linz/factors/grid-at/values", b"forged"),
                ("linz._factors", "emissions/_shared/factors/zone-fr/values", b"forged"),
                ("graz._factors", "emissions/_shared/factors/zone-de/values", b"forged"),
                ("tonne-factors", "emissions/linz/factors/grid-at/values", b"forged"),
                ("tonne-discovery", "emissions/linz/cems-1/readings", b"forged"),
                ("linz._factors", "emissions/linz/factors/grid-at/values", b"own"),
                ("graz._factors", "emissions/_shared/factors/zone-fr/values", b"granted"),
                ("tonne-factors", "emissions/_shared/factors/zone-de/values", b"own"),
            ):
                there.publish(user, topic, payload)
            until(lambda: len(there.heard) >= 10, "what is allowed arrives")
        assert sorted(there.heard) == [
            ("emissions/_shared/factors/zone-de/values", b"own"),
            ("emissions/_shared/factors/zone-fr/values", b"granted"),
            ("emissions/graz/cems-1/readings", b"own"),
            ("emissions/linz/alerts/limit", b"told"),
            ("emissions/linz/cems-1/readings", b"own"),
            ("emissions/linz/cems-1/status", b"online"),
            ("emissions/linz/factors/grid-at/values", b"own"),
            ("emissions/linz/totals", b"told"),
            ("homeassistant/device/tonne_linz/config", b"told"),
            ("tele/pow1.a/SENSOR", b"own"),
        ]


@BROKERS
def test_what_is_never_released_is_not_held(
    registered: None, broker: str, guarded: Callable[[Path], Server]
) -> None:
    """A broker holds a message of QoS 2 until its sender releases it, which it need not do."""
    del registered

    def text(word: str) -> bytes:
        return len(word).to_bytes(2, "big") + word.encode()

    user = "linz.cems-1"
    with guarding(broker, guarded) as there, there.listening():
        address = ("127.0.0.1", there.server.port)
        with socket.create_connection(address, timeout=PATIENCE_S) as wire:
            # MQTT 3.1.1, a session that stays
            body = text("MQTT") + b"\x04\xc0\x00\x3c" + text("x")
            body += text(user) + text(there.passwords[user])
            wire.sendall(bytes([0x10, len(body)]) + body)
            assert wire.recv(4) == b"\x20\x02\x00\x00"
            body = text("emissions/linz/cems-1/readings") + b"\x00\x01held"
            wire.sendall(bytes([0x34, len(body)]) + body)
            try:
                answer = wire.recv(4)
            except ConnectionResetError:
                answer = b""
        # PUBREC would say that it is held
        assert answer == b""
        there.publish(user, "emissions/linz/cems-1/readings", b"own")
        until(lambda: there.heard, "the device is let in again")
        assert there.heard == [("emissions/linz/cems-1/readings", b"own")]


@BROKERS
def test_nobody_without_a_password_gets_in(
    registered: None, broker: str, guarded: Callable[[Path], Server]
) -> None:
    del registered
    with guarding(broker, guarded) as there:
        for user, password in ((None, None), ("anybody", ""), ("linz.cems-1", "guessed")):
            assert refuses(there.server, user, password)
        # 192 bits in base64
        assert {len(password) for password in there.passwords.values()} == {32}


#: Each is a topic that some version of the registry may hold; none may become a right of another.
EVIL = (
    ">",
    "*",
    "#",
    "tele/>",
    "*/linz/cems-1/readings",
    "$JS/API/STREAM/DELETE/$MQTT_msgs",
    "$SYS/broker",
    "x\ntopic readwrite #",
    "x\nuser cems-1\ntopic readwrite #",
    "x\r\ntopic readwrite #",
    " emissions/linz/cems-1/readings",
    "\temissions/linz/cems-1/readings",
    'x"], subscribe: ">"}, {user: "eve", password: "eve"}, {user: "x',
    'x", ">", "y',
    "x\\",
    'x\\" ] #',
    "$NATS_INGEST_PASSWORD",
    "x}]}\nauthorization: {}",
    "readwrite #",
    "pattern readwrite #",
    "%u/+",
)


def plant(database_url: str, evil: str) -> None:
    """Put a topic into the registry past all that would refuse it."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE device SET topic = %s WHERE slug = 'pow1'", (evil,))


@BROKERS
@pytest.mark.parametrize("part", range(3))
def test_no_topic_of_a_facility_file_becomes_a_right_for_others(
    registered: None,
    database_url: str,
    broker: str,
    guarded: Callable[[Path], Server],
    part: int,
) -> None:
    del registered
    for evil in EVIL[part::3]:
        plant(database_url, evil)
        with guarding(broker, guarded) as there:
            assert refuses(there.server, "eve", "eve"), evil
            with there.listening():
                there.publish("linz.pow1", "emissions/linz/cems-1/readings", b"forged")
                there.publish("linz.pow1", "emissions/linz/cems-2/readings", b"forged")
                there.publish("linz.cems-1", "emissions/linz/cems-2/readings", b"forged")
                there.publish("linz.pow1", "other/topic", b"forged")
                there.publish("linz.cems-2", "emissions/linz/cems-2/readings", b"own")
                until(lambda there=there: there.heard, "what is allowed arrives")
            assert there.heard == [("emissions/linz/cems-2/readings", b"own")], evil
            if broker == "nats":
                assert_streams_stand(there, user="linz.pow1")


def assert_streams_stand(there: Guarded, *, user: str) -> None:
    """A device asks NATS to delete what it keeps, and cannot."""
    assert isinstance(there.server, ImpatientNats)
    server = there.server
    url = f"nats://tonne-ingest:{there.passwords['tonne-ingest']}@127.0.0.1:{server.client_port}"
    for topic in ("$JS/API/STREAM/DELETE/$MQTT_msgs", "$JS/API/STREAM/PURGE/$MQTT_msgs"):
        there.publish(user, topic, b"")
    assert streams(url) >= {"$MQTT_msgs", "$MQTT_sess"}


def streams(url: str) -> set[str]:
    async def ask() -> set[str]:
        client = await nats.connect(url)
        try:
            return {each.config.name or "" for each in await client.jetstream().streams_info()}
        finally:
            await client.close()

    return asyncio.run(ask())


@BROKERS
@pytest.mark.parametrize("known", [False, True], ids=["a secret id", "the id of old databases"])
def test_a_device_that_names_itself_ingest_takes_nothing(
    registered: None,
    database_url: str,
    tmp_path: Path,
    broker: str,
    guarded: Callable[[Path], Server],
    known: bool,
) -> None:
    """With tonne's own generated credentials: 152 of 162 acknowledged readings were lost."""
    del registered
    if known:
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "INSERT INTO broker_session (name, client_id) VALUES ('tonne-ingest', %s)",
                ("tonne-ingest",),
            )
    with guarding(broker, guarded) as there:
        password = there.passwords["tonne-ingest"]
        plant_ = Plant(
            database=database_url,
            broker=there.server,
            url=f"mqtt://tonne-ingest:{password}@127.0.0.1:{there.server.port}",
            log=tmp_path / "ingest.log",
        )
        try:
            # as a user does who sets no client id
            plant_.started(TONNE_MQTT_CLIENT_ID=None)
            until(lambda: plant_.state.get("broker") == "connected", "readiness knows of it")
            said = [notice["code"] for notice in plant_.state["notices"]]
            assert said == (["session-known"] if known else [])
            if known and broker == "nats":
                # there any account may take any id: what is left is to say so, until it is changed
                return
            begin = 1_700_000_000_000
            for number in range(20):
                payload = json.dumps({"ts": begin + number, "values": {"co2": number}}).encode()
                # NATS takes no client id with a dot
                others = ("cems-2", "linz_cems-2") if broker == "nats" else ("graz.cems-1",)
                for taken in ("tonne-ingest", "tonne-notify", *others):
                    with connected(
                        there.server, "linz.cems-1", there.passwords["linz.cems-1"], client_id=taken
                    ):
                        pass
                there.publish(
                    "linz.cems-1",
                    "emissions/linz/cems-1/readings",
                    payload,
                    client_id="tonne-ingest",
                )
            until(
                lambda: plant_.rows("SELECT count(*) FROM reading")[0]["count"] == 20,
                "every acknowledged reading is stored",
            )
            assert plant_.said("listening at the broker") == 1
            assert [notice["code"] for notice in plant_.state["notices"]] == said
        finally:
            plant_.kill()


@pytest.mark.usefixtures("registered")
def test_a_device_of_the_same_id_elsewhere_ends_nobodys_connection() -> None:
    """With mosquitto's generated settings; NATS lets every account choose any id."""
    with guarding("mosquitto", _GuardedMosquitto) as there:
        own, other = "linz.cems-1", "graz.cems-1"
        with connected(there.server, own, there.passwords[own]) as device:
            for taken in (own, "cems-1", ""):
                with connected(there.server, other, there.passwords[other], client_id=taken):
                    done = device.publish("emissions/linz/cems-1/readings", b"own", qos=1)
                    until(done.is_published, "the broker answers")
            assert device.is_connected()


@pytest.mark.parametrize("name", ["tonne", "tonne-ingest", "tonne-notify", "anybody"])
@pytest.mark.usefixtures("registered")
def test_no_device_gets_the_account_of_tonne(database_url: str, name: str) -> None:
    """Its own has the facility's id in front, so that a device may bear any id."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE device SET slug = %s WHERE slug = 'pow1'", (name,))
    users = [line.split()[0] for line in passwords_of(made("--broker", "mosquitto"))]
    own = {"tonne-ingest", "tonne-notify", "tonne-discovery", "tonne-factors", "home-assistant"}
    own |= {"linz._factors", "graz._factors"}
    assert len(users) == len(set(users))
    assert set(users) == {"graz.cems-1", "linz.cems-1", "linz.cems-2", f"linz.{name}"} | own


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("facility", "device"), [("linz", "a.b"), ("linz.a", "b"), ("linz", "a\nuser x"), ("", "b")]
)
def test_no_two_devices_share_an_account(database_url: str, facility: str, device: str) -> None:
    """Ids past all that would refuse them, which put together read like another's."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE device SET slug = %s WHERE slug = 'pow1'", (device,))
        connection.execute("UPDATE facility SET slug = %s WHERE slug = 'linz'", (facility,))
    result = CliRunner().invoke(app, ["devices", "credentials", "--broker", "nats"])
    assert result.exit_code == 1
    assert "take another id" in result.output
    assert "password" not in result.stdout


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("named", [
    ["cems-2"], ["linz/cems-2"], ["linz.cems-2"], ["cems-2", "linz/cems-2"],
    ["cems-2", "--facility", "linz"],
])  # fmt: skip
def test_one_device_gets_new_credentials_alone(named: list[str]) -> None:
    output = made(*named, "--broker", "mosquitto")
    assert "user linz.cems-2\n" in output
    assert "topic write emissions/linz/cems-2/readings" in output
    assert "cems-1" not in output
    assert "tonne" not in output
    assert len(passwords_of(output)) == 1


@pytest.mark.usefixtures("registered")
def test_the_accounts_of_one_facility_get_new_credentials_alone(database_url: str) -> None:
    output = made("--facility", "graz", "--broker", "mosquitto")
    with psycopg.connect(database_url) as connection:
        ((facility, after),) = connection.execute(
            "SELECT facility, after FROM audit_entry WHERE action = 'broker.credentials'"
        ).fetchall()
    # who has accounts is in the audit log, and no password
    assert (facility, after) == ("graz", {"users": ["graz._factors", "graz.cems-1"]})
    assert [line.split()[0] for line in passwords_of(output)] == ["graz._factors", "graz.cems-1"]
    assert "linz" not in output


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("named", "answer"),
    [
        (["cems-1"], "several facilities have a device cems-1; name one: graz/cems-1, linz/cems-1"),
        (["nobody"], "no facility has a device nobody; apply its facility file first"),
        (["graz/cems-2"], "facility graz has no device cems-2; apply its facility file first"),
        (["cems-2", "--facility", "graz"], "facility graz has no device cems-2"),
        (["linz/cems-2", "--facility", "graz"], "linz/cems-2 is not a device of facility graz"),
        (["--facility", "nowhere"], "facility nowhere has no device; apply its facility file"),
        (["linz/cems-2/x"], "facility linz has no device cems-2/x"),
    ],
)
def test_a_device_that_is_not_meant_for_certain_gets_none(named: list[str], answer: str) -> None:
    result = CliRunner().invoke(app, ["devices", "credentials", *named, "--broker", "nats"])
    assert result.exit_code == 1
    assert answer in " ".join(result.output.split())


@pytest.mark.usefixtures("registered")
def test_files_with_passwords_in_use_are_not_overwritten(tmp_path: Path) -> None:
    arguments = ["devices", "credentials", "--broker", "nats", "--into", str(tmp_path)]
    made(*arguments[2:])
    before = (tmp_path / "nats-users.conf").read_text()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "is there already" in result.output
    assert (tmp_path / "nats-users.conf").read_text() == before
